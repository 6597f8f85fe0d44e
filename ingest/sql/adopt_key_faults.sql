-- Rows that a walk along the key would lose: those without a key, and those that share one, with
-- two examples. The longest key is told too, since it becomes part of each message.
SELECT
    (SELECT count(*) FROM {table} AS old WHERE {is_null}) AS null_count,
    (SELECT coalesce(max(length({key_name})), 0) FROM {table} AS old) AS longest,
    coalesce(sum(repeated.row_count), 0)::bigint AS repeated_count,
    min(repeated.key) AS first_example,
    max(repeated.key) AS last_example
FROM (
    SELECT min({key_name}) AS key, count(*) AS row_count
    FROM {table} AS old
    WHERE NOT ({is_null})
    GROUP BY {keys}
    HAVING count(*) > 1
) AS repeated
