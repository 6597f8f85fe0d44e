-- Keyed like everything by what the site says: a site, a tank, a time. Returns how the delivery
-- stands: `new`, `held` (the same is there already) or `conflict` (another is).
WITH inserted AS (
    INSERT INTO delivery (
        site_id, tank, at, product, volume, volume_15c, document, received_at
    ) VALUES (
        %(site_id)s, %(tank)s, %(at)s, %(product)s, %(volume)s, %(volume_15c)s, %(document)s,
        %(received_at)s
    )
    ON CONFLICT DO NOTHING
    RETURNING 1
)
SELECT CASE
    WHEN EXISTS (SELECT FROM inserted) THEN 'new'
    WHEN EXISTS (
        SELECT FROM delivery
        WHERE (site_id, tank, at) = (%(site_id)s, %(tank)s, %(at)s)
            AND (product, volume, document) = (%(product)s, %(volume)s, %(document)s)
            AND volume_15c IS NOT DISTINCT FROM %(volume_15c)s::numeric
    ) THEN 'held'
    ELSE 'conflict'
END
