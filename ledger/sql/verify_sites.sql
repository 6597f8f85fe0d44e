-- Sites that were recorded and are not there (a site is closed, never deleted), and sites that were
-- never recorded: whoever asks for some sites asks for neither.
SELECT DISTINCT ON (r.key) r.content ->> 'code', format('site %%s is gone', r.site_id)
FROM row_record r
WHERE r.table_name = 'site' AND NOT EXISTS (SELECT FROM site WHERE site.id = r.site_id)
UNION ALL
SELECT code, format('site %%s was never recorded as put in', id)
FROM site
WHERE NOT EXISTS (SELECT FROM row_record r WHERE r.table_name = 'site' AND r.site_id = site.id)
