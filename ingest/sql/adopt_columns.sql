-- The columns of the old table or view and their types. A column of a unique, valid primary key is
-- told: where the key is just that, nobody has to look for repeated ones.
SELECT
    attribute.attname,
    format_type(attribute.atttypid, NULL),
    type.typcategory::text,
    coalesce(attribute.attnum = ANY (primary_key.indkey), false)
FROM pg_attribute AS attribute
JOIN pg_type AS type ON type.oid = attribute.atttypid
LEFT JOIN pg_index AS primary_key
    ON primary_key.indrelid = attribute.attrelid AND primary_key.indisprimary
WHERE attribute.attrelid = %s::regclass AND attribute.attnum > 0 AND NOT attribute.attisdropped
ORDER BY attribute.attnum
