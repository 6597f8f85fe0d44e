-- The entry table by hand, because Django cannot declare a partitioned table, and because the
-- order of columns decides how much of a row is padding: eight-byte columns first, then four,
-- then two, then those of varying length. Monthly partitions by fiscal_day keep each index small
-- and let an old month be moved or archived as a whole. The key leads with site_id, since every
-- page and every duplicate check asks for one site.
CREATE TABLE entry (
    occurred_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    fiscal_day date NOT NULL,
    sequence integer NOT NULL,
    device_transaction integer,
    site_id smallint NOT NULL,
    kind smallint NOT NULL,
    flags smallint NOT NULL DEFAULT 0,
    fuelling_point smallint,
    nozzle smallint,
    tank smallint,
    payment smallint,
    offline boolean NOT NULL DEFAULT false,
    product varchar(32) NOT NULL,
    amount numeric(12, 2) NOT NULL,
    volume numeric(12, 3),
    volume_15c numeric(12, 3),
    unit_price numeric(9, 4),
    tax_rate numeric(5, 2),
    totalizer numeric(18, 3),
    PRIMARY KEY (site_id, fiscal_day, sequence),
    CHECK (sequence >= 1)
) PARTITION BY RANGE (fiscal_day);

-- Catches fiscal days outside the range in which months are made (entry_partitions.sql), so
-- that a controller with a broken calendar costs a flag and not an endless number of tables.
CREATE TABLE entry_default PARTITION OF entry DEFAULT;
