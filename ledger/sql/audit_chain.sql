-- The audit trail is a chain: each event has a link, whose digest covers the event and the link
-- before. A chain has one end, so those who prolong it wait for each other. Those who record
-- events, bulk corrections and the ingest among them, must not wait. So an event is linked once it is
-- committed; until then it waits in a table of its own, and nobody looks for it in the whole trail.
CREATE FUNCTION audit_wait_for_link() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO audit_unlinked (event_id) SELECT id FROM recorded;
    RETURN NULL;
END
$$;

CREATE TRIGGER audit_event_linked
    AFTER INSERT ON audit_event REFERENCING NEW TABLE AS recorded
    FOR EACH STATEMENT EXECUTE FUNCTION audit_wait_for_link();

-- Links the events that wait, up to `events_max`, in the order of their numbers; returns how many
-- that were. A transaction links its own events, too, and keeps others from linking until it ends.
-- Where another one does so now, `waits` says whether to wait for it or to leave it to that.
-- The canonical line of an event is that of audit_line.sql.
CREATE FUNCTION audit_link_events(waits boolean, events_max integer DEFAULT NULL) RETURNS integer
    LANGUAGE plpgsql
    SET timezone TO 'UTC' SET datestyle TO 'ISO'
AS $$
DECLARE
    -- "FCAT": this kind of lock.
    chain_lock constant bigint := x'46434154'::bigint;
    first_number bigint;
    next_number bigint;
    head bytea;
    waiting record;
BEGIN
    IF waits THEN
        PERFORM pg_advisory_xact_lock(chain_lock);
    ELSIF NOT pg_try_advisory_xact_lock(chain_lock) THEN
        RETURN 0;
    END IF;
    SELECT number, digest INTO next_number, head FROM audit_link ORDER BY number DESC LIMIT 1;
    first_number := coalesce(next_number, 0) + 1;
    next_number := first_number;
    head := coalesce(head, decode(repeat('00', 32), 'hex'));
    FOR waiting IN
        SELECT e.id, sha256(convert_to({audit_line} || chr(10), 'UTF8')) AS event_digest
        FROM audit_unlinked u
        JOIN audit_event e ON e.id = u.event_id
        LEFT JOIN site s ON s.id = e.site_id
        ORDER BY e.id
        LIMIT events_max
    LOOP
        head := sha256(convert_to(
            json_build_array(
                'link', next_number, encode(head, 'hex'), encode(waiting.event_digest, 'hex')
            )::text || chr(10),
            'UTF8'
        ));
        INSERT INTO audit_link (number, event_id, event_digest, digest)
        VALUES (next_number, waiting.id, waiting.event_digest, head);
        next_number := next_number + 1;
    END LOOP;
    DELETE FROM audit_unlinked u USING audit_link l
    WHERE l.number >= first_number AND l.event_id = u.event_id;
    RETURN next_number - first_number;
END
$$;

CREATE TRIGGER audit_link_append_only
    BEFORE UPDATE OR DELETE ON audit_link
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TRIGGER audit_link_no_truncate
    BEFORE TRUNCATE ON audit_link
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- What was recorded before there was a chain.
INSERT INTO audit_unlinked (event_id) SELECT id FROM audit_event;
SELECT audit_link_events(true);
