-- Totals that reports can come from: those of a day are told apart by tax rate too, and those by
-- payment are new. What there is already is added up anew from the entries, because a row of the
-- old totals does not say which part of it had which rate. A key cannot hold NULL: -1 stands for no
-- tax rate given, 0 for no payment given.
ALTER TABLE day_total DROP CONSTRAINT day_total_pkey;
ALTER TABLE day_total ADD COLUMN tax_rate numeric(5, 2);
TRUNCATE day_total;
ALTER TABLE day_total ALTER COLUMN tax_rate SET NOT NULL;
ALTER TABLE day_total ADD PRIMARY KEY (site_id, fiscal_day, product, kind, tax_rate);
-- In the order of days, which their index on them (BRIN) lives by.
INSERT INTO day_total (site_id, fiscal_day, product, kind, tax_rate, count, volume, amount, tax)
SELECT site_id, fiscal_day, product, kind, coalesce(tax_rate, -1), count(*),
    coalesce(sum(volume), 0), sum(amount),
    coalesce(sum(round(amount * tax_rate / (100 + tax_rate), 2)), 0)
FROM entry
GROUP BY 1, 2, 3, 4, 5
ORDER BY fiscal_day, site_id;

INSERT INTO payment_total (site_id, fiscal_day, payment, kind, count, volume, amount)
SELECT site_id, fiscal_day, coalesce(payment, 0), kind, count(*), coalesce(sum(volume), 0),
    sum(amount)
FROM entry
GROUP BY 1, 2, 3, 4
ORDER BY fiscal_day, site_id;
