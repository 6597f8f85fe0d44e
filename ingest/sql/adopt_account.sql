-- How many rows the old table has up to where it was moved, what they add up to, and how many came
-- behind that: asked of the table as a whole, not by walking along its key, so that a walk that
-- skips rows cannot confirm itself. A row without a key counts as one that should have been moved.
SELECT
    count(*) FILTER (WHERE ({behind}) IS NOT TRUE) AS row_count,
    coalesce(sum({amount}) FILTER (WHERE ({behind}) IS NOT TRUE), 0) AS amount,
    count(*) FILTER (WHERE {behind}) AS behind_count
FROM {table} AS old
