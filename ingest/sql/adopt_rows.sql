-- Rows of a table of the old shape, as messages of the event contract: from here on they go the
-- way of any message. What is NULL is left out, so that its absence is judged like a controller's.
-- `adopted` leads, since it tells a quarantined row's origin even where only the first bytes of
-- a message are kept. The identifiers are filled in by `ingest.adoption.source`.
SELECT
    {key_texts} AS key,
    'forecourt/v1/' || coalesce({site}, '') || '/ledger' AS topic,
    json_strip_nulls(
        json_build_object('adopted', {source} || '/' || {key_name}, {fields})
    )::text AS payload,
    {amount} AS amount
FROM {table} AS old
LEFT JOIN site ON site.code = {site}
WHERE {condition}
ORDER BY {order}
LIMIT %(limit)s
