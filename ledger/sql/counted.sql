-- What counts in fiscal days, once for all statements that add it up day by day: the totals of their
-- entries and, beside them, what corrections posted to the day move. `of_day` is the day of the
-- entries, another one than `fiscal_day` where the correction of a sealed day is posted to a later.
SELECT site_id, fiscal_day, fiscal_day AS of_day, false AS is_correction, product, kind, tax_rate,
    count, volume, amount, tax
FROM day_total
UNION ALL
SELECT site_id, posted_to, fiscal_day, true, product, kind, coalesce(tax_rate, -1), count::integer,
    volume, amount, tax
FROM correction_posting
