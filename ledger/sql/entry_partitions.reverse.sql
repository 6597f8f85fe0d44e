DROP FUNCTION entry_partitions_ahead(integer);
DROP FUNCTION entry_partition_ensure(date);
