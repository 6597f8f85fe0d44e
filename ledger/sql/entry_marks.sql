-- For each entry of a day, its sequence and the first bytes of its line's SHA-256: what tells
-- which one was tampered with. `{entry_line}` stands for entry_line.sql.
SELECT
    e.sequence,
    substring(sha256(convert_to({entry_line} || chr(10), 'UTF8')) FROM 1 FOR 4)
FROM entry e
WHERE e.site_id = %(site_id)s AND e.fiscal_day = %(fiscal_day)s
ORDER BY e.sequence
