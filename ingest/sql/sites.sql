-- What the worker must know of each registered site to route and to flag.
SELECT
    s.id,
    s.code,
    s.timezone,
    ARRAY(SELECT p.code FROM product p WHERE p.site_id = s.id),
    ARRAY(SELECT f.number FROM fuelling_point f WHERE f.site_id = s.id),
    s.first_fiscal_day
FROM site s
WHERE %(codes)s::text[] IS NULL OR s.code = ANY (%(codes)s)
