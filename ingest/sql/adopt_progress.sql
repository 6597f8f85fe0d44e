-- How far a table is moved, in the transaction that moves it.
UPDATE adoption SET
    last_key = %(last_key)s,
    rows = rows + %(rows)s,
    stored = stored + %(stored)s,
    duplicates = duplicates + %(duplicates)s,
    quarantined = quarantined + %(quarantined)s
WHERE source = %(source)s
