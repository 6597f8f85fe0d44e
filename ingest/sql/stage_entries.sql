-- COPY knows no ON CONFLICT, so entries that may be there already are copied into a table of the
-- connection's own and inserted from there. It is made once a connection and empties itself with
-- each commit. `n` is the entry's place in the batch.
CREATE TEMPORARY TABLE IF NOT EXISTS stage_entry (
    n integer NOT NULL,
    site_id smallint NOT NULL,
    fiscal_day date NOT NULL,
    sequence integer NOT NULL,
    kind smallint NOT NULL,
    flags smallint NOT NULL,
    occurred_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    product varchar(32) NOT NULL,
    amount numeric(12, 2) NOT NULL,
    volume numeric(12, 3),
    volume_15c numeric(12, 3),
    unit_price numeric(9, 4),
    tax_rate numeric(5, 2),
    fuelling_point smallint,
    nozzle smallint,
    tank smallint,
    payment smallint,
    device_transaction integer,
    totalizer numeric(18, 3),
    offline boolean NOT NULL
) ON COMMIT DELETE ROWS
