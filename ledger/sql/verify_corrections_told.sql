-- Corrections and explanations of a site's days against the audit trail, which tells each of them as
-- it was proposed, decided or given: who put one in, changed it or took it out past the triggers, and
-- its record with it, would have to change the trail too, which is a chain that seals sign. Returns
-- the fiscal day and what does not agree.
WITH told AS (
    SELECT
        fiscal_day, sequence, substring(subject FROM '(\d+)$')::smallint AS revision,
        split_part(subject, ',', 1) AS act, action, actor_id, detail
    FROM audit_event
    WHERE site_id = %(site_id)s AND fiscal_day BETWEEN %(first)s AND %(last)s
        AND action LIKE 'correction.%%'
),
held AS (
    SELECT *
    FROM correction
    WHERE site_id = %(site_id)s AND fiscal_day BETWEEN %(first)s AND %(last)s
)
SELECT
    fiscal_day,
    format('the audit trail tells otherwise of revision %%s of entry %%s', revision, sequence)
FROM held c
FULL JOIN (SELECT * FROM told WHERE action = 'correction.proposed') t
    USING (fiscal_day, sequence, revision)
WHERE (c.action, c.author_id, c.reason, c.note, c.needs_approval) IS DISTINCT FROM (
    t.act, t.actor_id, t.detail ->> 'reason', t.detail ->> 'note',
    (t.detail ->> 'needs_approval')::boolean
)
UNION
SELECT
    fiscal_day,
    format('the audit trail tells otherwise of what was decided on revision %%s of entry %%s',
        revision, sequence)
FROM (SELECT * FROM held WHERE status <> 'proposed') c
FULL JOIN (SELECT * FROM told WHERE action <> 'correction.proposed') t
    USING (fiscal_day, sequence, revision)
WHERE (c.status, c.decided_by_id, c.decision_note, c.posted_to) IS DISTINCT FROM (
    CASE t.action
        WHEN 'correction.took_effect' THEN 'approved' ELSE substr(t.action, length('correction.') + 1)
    END,
    t.actor_id, t.detail ->> 'note', (t.detail ->> 'posted_to')::date
)
UNION
SELECT
    fiscal_day, format('the audit trail tells otherwise of how %%s %%s was explained', subject, key)
FROM (
    SELECT fiscal_day, subject, key, difference, reason, note, author_id, count(*) AS times
    FROM explanation
    WHERE site_id = %(site_id)s AND fiscal_day BETWEEN %(first)s AND %(last)s
    GROUP BY 1, 2, 3, 4, 5, 6, 7
) AS given
FULL JOIN (
    SELECT
        fiscal_day, detail ->> 'subject' AS subject, detail ->> 'key' AS key,
        detail ->> 'difference' AS difference, detail ->> 'reason' AS reason,
        detail ->> 'note' AS note, actor_id AS author_id, count(*) AS times
    FROM audit_event
    WHERE site_id = %(site_id)s AND fiscal_day BETWEEN %(first)s AND %(last)s
        AND action = 'day.explained'
    GROUP BY 1, 2, 3, 4, 5, 6, 7
) AS told_of USING (fiscal_day, subject, key, difference, reason, note, author_id)
WHERE given.times IS DISTINCT FROM told_of.times
ORDER BY 1, 2
