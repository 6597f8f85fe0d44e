-- The deliveries of fiscal days, one after the other. `{day_deliveries}` says which those are.
SELECT fiscal_day, tank, at, product, volume, volume_15c, document, received_at
FROM ({day_deliveries}) AS deliveries
ORDER BY at, tank
