-- The canonical line of an entry `e`, once for all statements that make one: the digest of a day
-- and the marks of its entries have to speak of the same line.
json_build_array(
    e.sequence, e.kind, e.occurred_at::text, e.received_at::text, e.product, e.amount::text,
    e.volume::text, e.volume_15c::text, e.unit_price::text, e.tax_rate::text, e.fuelling_point,
    e.nozzle, e.tank, e.payment, e.device_transaction, e.totalizer::text, e.offline, e.flags
)::text
