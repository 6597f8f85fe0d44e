-- What counts in fiscal days (`{counted}` stands for counted.sql), added up by `{columns}` and by
-- whether a tax rate was stated: -1 where none was. Who asks narrows it down by sites, days and
-- kinds; null stands for all of them.
SELECT {columns}, CASE WHEN tax_rate = -1 THEN tax_rate END AS rate, sum(count)::bigint, sum(volume),
    sum(amount), sum(tax)
FROM ({counted}) AS counted
JOIN site ON site.id = site_id
WHERE (%(site_ids)s::smallint[] IS NULL OR site_id = ANY (%(site_ids)s::smallint[]))
    AND (%(days)s::date[] IS NULL OR fiscal_day = ANY (%(days)s::date[]))
    AND (%(first)s::date IS NULL OR fiscal_day >= %(first)s::date)
    AND (%(last)s::date IS NULL OR fiscal_day <= %(last)s::date)
    AND (%(kinds)s::smallint[] IS NULL OR kind = ANY (%(kinds)s::smallint[]))
GROUP BY {columns}, CASE WHEN tax_rate = -1 THEN tax_rate END
ORDER BY {columns}
