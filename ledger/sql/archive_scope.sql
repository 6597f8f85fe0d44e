-- Which rows belong to an archive of some sites and a period, once for all of its files: so that
-- whatever a file refers to is in another one. Each file's own statement goes on behind this. `first`
-- and `last` are the ends of the period; `site_ids` is NULL for all sites; `with_network` says
-- whether the person sees what belongs to no site.
WITH RECURSIVE corrected AS (
    -- Entries with a correction of a day of the period, or posted to one: all their revisions.
    SELECT DISTINCT site_id, fiscal_day, sequence
    FROM correction
    WHERE (%(site_ids)s::smallint[] IS NULL OR site_id = ANY(%(site_ids)s::smallint[]))
        AND (
            fiscal_day BETWEEN %(first)s::date AND %(last)s::date
            OR posted_to BETWEEN %(first)s::date AND %(last)s::date
        )
),
chain AS (
    -- Z numbers from the seal that the oldest one of the period builds upon: back to the next one
    -- that is signed, and so can be verified by itself, or to the first.
    SELECT
        site_id, highest,
        coalesce(
            (
                SELECT max(before.z_number)
                FROM fiscal_day before
                JOIN day_seal USING (site_id, fiscal_day)
                WHERE before.site_id = sealed.site_id AND before.z_number < sealed.lowest
                    AND signature IS NOT NULL
            ),
            1
        ) AS lowest
    FROM (
        SELECT site_id, min(z_number) AS lowest, max(z_number) AS highest
        FROM fiscal_day
        WHERE (%(site_ids)s::smallint[] IS NULL OR site_id = ANY(%(site_ids)s::smallint[]))
            AND fiscal_day BETWEEN %(first)s::date AND %(last)s::date AND z_number IS NOT NULL
        GROUP BY site_id
    ) AS sealed
),
day AS (
    -- The days of the period, and those that they refer to.
    SELECT site_id, fiscal_day
    FROM fiscal_day
    WHERE (%(site_ids)s::smallint[] IS NULL OR site_id = ANY(%(site_ids)s::smallint[]))
        AND fiscal_day BETWEEN %(first)s::date AND %(last)s::date
    UNION
    SELECT d.site_id, d.fiscal_day
    FROM fiscal_day d
    JOIN chain c ON c.site_id = d.site_id AND d.z_number BETWEEN c.lowest AND c.highest
    UNION
    SELECT site_id, fiscal_day FROM corrected
    UNION
    SELECT site_id, posted_to
    FROM correction
    JOIN corrected USING (site_id, fiscal_day, sequence)
    WHERE posted_to IS NOT NULL
),
message AS (
    SELECT id, replay_of_id
    FROM quarantine
    WHERE (
            CASE WHEN %(site_ids)s::smallint[] IS NULL
                THEN site_id IS NOT NULL OR %(with_network)s
                ELSE site_id = ANY(%(site_ids)s::smallint[])
            END
        )
        AND (
            fiscal_day BETWEEN %(first)s::date AND %(last)s::date
            OR (
                last_received_at >= %(first)s::date - 1 AND first_received_at < %(last)s::date + 2
            )
        )
    UNION
    SELECT before.id, before.replay_of_id
    FROM quarantine before
    JOIN message ON message.replay_of_id = before.id
),
event AS (
    SELECT e.id, e.actor_id, e.at >= %(first)s::date - 1 AND e.at < %(last)s::date + 2 AS is_near
    FROM audit_event e
    WHERE (
            e.site_id IS NOT NULL
            AND (%(site_ids)s::smallint[] IS NULL OR e.site_id = ANY(%(site_ids)s::smallint[]))
            AND (
                e.fiscal_day BETWEEN %(first)s::date AND %(last)s::date
                OR (e.at >= %(first)s::date - 1 AND e.at < %(last)s::date + 2)
                -- How the site came to be set up as it is.
                OR e.action LIKE 'site.%%'
                OR (
                    e.sequence IS NOT NULL
                    AND (e.site_id, e.fiscal_day, e.sequence) IN (
                        SELECT site_id, fiscal_day, sequence FROM corrected
                    )
                )
                -- What says of a seal of the chain that it was set.
                OR (
                    e.action = 'day.sealed'
                    AND (e.site_id, e.fiscal_day) IN (SELECT site_id, fiscal_day FROM day)
                )
            )
        )
        -- People, imports, adoptions and the ingest concern every site.
        OR (
            e.site_id IS NULL AND %(with_network)s
            AND (
                e.action NOT LIKE 'quarantine.%%'
                OR (e.at >= %(first)s::date - 1 AND e.at < %(last)s::date + 2
                    AND %(site_ids)s::smallint[] IS NULL)
                OR EXISTS (
                    SELECT
                    FROM message
                    WHERE e.detail -> 'messages' @> to_jsonb(message.id)
                )
            )
        )
),
first_link AS (
    -- The chain of the trail is whole from here on.
    SELECT least(
        (SELECT min(number) FROM audit_link JOIN event ON event.id = event_id WHERE is_near),
        (
            SELECT min(trail_number)
            FROM day_seal
            WHERE (%(site_ids)s::smallint[] IS NULL OR site_id = ANY(%(site_ids)s::smallint[]))
                AND fiscal_day BETWEEN %(first)s::date AND %(last)s::date
        )
    ) AS number
),
person_named AS (
    SELECT actor_id AS id FROM event
    UNION
    SELECT unnest(ARRAY[closed_by_id, seal_proposed_by_id, sealed_by_id])
    FROM fiscal_day
    JOIN day USING (site_id, fiscal_day)
    UNION
    SELECT unnest(ARRAY[author_id, decided_by_id])
    FROM correction
    JOIN corrected USING (site_id, fiscal_day, sequence)
    UNION
    SELECT author_id FROM explanation JOIN day USING (site_id, fiscal_day)
    UNION
    SELECT unnest(ARRAY[author_id, decided_by_id])
    FROM correction
    JOIN day ON day.site_id = correction.site_id AND day.fiscal_day = posted_to
    UNION
    SELECT decided_by_id FROM quarantine_decision JOIN message ON message.id = quarantine_id
)
