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
        ('explanation', 'explanation_append_only'),
        ('explanation', 'explanation_no_truncate'),
        ('explanation', 'explanation_sealed'),
        ('day_seal', 'day_seal_append_only'),
        ('day_seal', 'day_seal_no_truncate'),
        ('fiscal_day', 'fiscal_day_sealed')
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
