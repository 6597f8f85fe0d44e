-- Rows of a table of the old shape, as messages of the event contract: from here on they go the
-- way of any message. What is NULL is left out, so that its absence is judged like a controller's.
-- `adopted` leads, since it tells a quarantined row's origin even where only the first bytes of
-- a message are kept. The identifiers are filled in by `ingest.adoption`.
SELECT
    old.{key} AS key,
    'forecourt/v1/' || coalesce(old.{site}::text, '') || '/ledger',
    json_strip_nulls(
        json_build_object('adopted', {source} || '/' || old.{key}, {fields})
    )::text
FROM {table} AS old
LEFT JOIN site ON site.code = old.{site}::text
WHERE old.{key} > %(after)s OR %(after)s::bigint IS NULL
ORDER BY old.{key}
LIMIT %(limit)s
