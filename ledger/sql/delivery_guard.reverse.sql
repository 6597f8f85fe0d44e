DROP TRIGGER delivery_no_truncate ON delivery;
DROP TRIGGER delivery_append_only ON delivery;
DROP FUNCTION delivery_refuse_change() CASCADE;
