-- The rates of a product become one row again; what each row adds up to stays as it is.
ALTER TABLE day_total DROP CONSTRAINT day_total_pkey;
CREATE TEMPORARY TABLE merged AS
SELECT site_id, fiscal_day, product, kind, sum(count) AS count, sum(volume) AS volume,
    sum(amount) AS amount, sum(tax) AS tax
FROM day_total
GROUP BY 1, 2, 3, 4;
TRUNCATE day_total;
ALTER TABLE day_total DROP COLUMN tax_rate;
INSERT INTO day_total (site_id, fiscal_day, product, kind, count, volume, amount, tax)
SELECT site_id, fiscal_day, product, kind, count, volume, amount, tax
FROM merged
ORDER BY fiscal_day, site_id;
DROP TABLE merged;
ALTER TABLE day_total ADD PRIMARY KEY (site_id, fiscal_day, product, kind);
