-- The triggers that keep the ledger as it is: each has to be there and enabled for everyone.
-- Returns table, trigger and what is wrong with it.
SELECT wanted.tbl, wanted.name, CASE WHEN t.oid IS NULL THEN 'is gone' ELSE 'is disabled' END
FROM (
    VALUES
        ('entry', 'entry_append_only'),
        ('entry', 'entry_no_truncate'),
        ('correction', 'correction_decided_once'),
        ('correction', 'correction_append_only'),
        ('correction', 'correction_no_truncate'),
        ('correction_posting', 'correction_posting_append_only'),
        ('correction_posting', 'correction_posting_no_truncate'),
        ('correction_posting', 'correction_posting_sealed'),
        ('audit_event', 'audit_event_append_only'),
        ('audit_event', 'audit_event_no_truncate'),
        ('audit_event', 'audit_event_linked'),
        ('audit_link', 'audit_link_append_only'),
        ('audit_link', 'audit_link_no_truncate'),
        ('explanation', 'explanation_append_only'),
        ('explanation', 'explanation_no_truncate'),
        ('explanation', 'explanation_sealed'),
        ('day_seal', 'day_seal_append_only'),
        ('day_seal', 'day_seal_no_truncate'),
        ('fiscal_day', 'fiscal_day_gap_since'),
        ('fiscal_day', 'fiscal_day_sealed'),
        ('fiscal_day', 'fiscal_day_sealed_truncate'),
        ('correction', 'correction_posted_sealed'),
        ('delivery', 'delivery_comes_unsealed'),
        ('delivery', 'delivery_sealed_once'),
        ('delivery', 'delivery_append_only'),
        ('delivery', 'delivery_no_truncate'),
        ('site', 'site_kept'),
        ('quarantine', 'quarantine_kept'),
        ('quarantine_decision', 'quarantine_decision_append_only'),
        ('quarantine_decision', 'quarantine_decision_no_truncate'),
        ('row_record', 'row_record_append_only'),
        ('row_record', 'row_record_no_truncate')
    UNION ALL
    SELECT t.tbl, t.tbl || suffix
    FROM row_record_tables() AS t
    CROSS JOIN LATERAL unnest(
        CASE
            WHEN t.is_grouped THEN ARRAY['_recorded_insert', '_recorded_update', '_recorded_delete']
            ELSE ARRAY['_recorded']
        END
    ) AS suffix
    UNION ALL
    SELECT tbl, format('%s_sealed_%s', tbl, event)
    FROM unnest(ARRAY[
        'day_total', 'hour_total', 'payment_total', 'declared_total', 'totalizer', 'dip'
    ]) AS tbl, unnest(ARRAY['insert', 'update', 'move', 'delete', 'truncate']) AS event
) AS wanted (tbl, name)
LEFT JOIN pg_trigger t
    ON t.tgrelid = to_regclass(wanted.tbl) AND t.tgname = wanted.name AND NOT t.tgisinternal
WHERE t.oid IS NULL OR t.tgenabled NOT IN ('O', 'A')
UNION ALL
-- A partition has the row trigger from its parent; somebody may have disabled it there alone.
SELECT p.relid::text, t.tgname, 'is disabled'
FROM pg_partition_tree('entry') p
JOIN pg_trigger t ON t.tgrelid = p.relid AND NOT t.tgisinternal
WHERE p.level > 0 AND t.tgenabled NOT IN ('O', 'A')
ORDER BY 1, 2
