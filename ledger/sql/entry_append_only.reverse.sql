DROP TRIGGER entry_no_truncate ON entry_default;
DROP TRIGGER entry_no_truncate ON entry;
DROP TRIGGER entry_append_only ON entry;
-- Partitions that were detached keep their own trigger, which goes with the function.
DROP FUNCTION entry_refuse_change() CASCADE;
