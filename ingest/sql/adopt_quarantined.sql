-- The keys of a table's rows that are in quarantine, whatever became of them there, found once
-- for all pieces that are verified. A payload can be any bytes: only those that begin as a row
-- does are read further, and only as far as the key, which is ASCII without a quotation mark.
CREATE TEMPORARY TABLE adopted_quarantine ON COMMIT PRESERVE ROWS AS
SELECT DISTINCT
    CASE
        WHEN substring(raw FROM 1 FOR length({prefix})) = {prefix}
        THEN substring(
            convert_from(substring(raw FROM length({prefix}) + 1 FOR {key_chars} + 1), 'LATIN1')
            FROM '^([^"]+)"'
        )
    END AS key
FROM quarantine
WHERE topic LIKE 'forecourt/v1/%/ledger'
