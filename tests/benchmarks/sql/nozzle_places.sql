-- Each site's nozzles numbered from 0, with product, price and tax: what `fill_day.sql` draws from.
CREATE TEMPORARY TABLE bench_nozzle AS
SELECT nozzle.site_id AS nozzle_site, nozzle.fuelling_point, nozzle.number, nozzle.product,
    nozzle.tank, product.unit_price, product.tax_rate,
    row_number() OVER site_nozzles - 1 AS place, count(*) OVER (PARTITION BY nozzle.site_id) AS nozzles
FROM nozzle
JOIN product ON product.site_id = nozzle.site_id AND product.code = nozzle.product
WINDOW site_nozzles AS (PARTITION BY nozzle.site_id ORDER BY nozzle.fuelling_point, nozzle.number)
