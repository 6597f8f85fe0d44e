-- Every writer of a day takes its row first, in the order of the key: so two workers never wait
-- for each other in a circle, nobody seals a day while its entries are being written, and the
-- day's counters move by one writer at a time. What the row says is then certain until commit.
SELECT
    d.site_id, d.fiscal_day, d.sealed_at IS NOT NULL, d.entry_count, d.highest_sequence,
    d.opening_digest, d.closing_digest
FROM fiscal_day d
JOIN unnest(%(site_ids)s::smallint[], %(fiscal_days)s::date[]) AS wanted (site_id, fiscal_day)
    USING (site_id, fiscal_day)
ORDER BY d.site_id, d.fiscal_day
FOR NO KEY UPDATE OF d
