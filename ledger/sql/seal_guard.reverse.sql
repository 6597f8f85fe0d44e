-- The triggers of a function go with it; those of explanation and day_seal go with their tables.
DROP FUNCTION refuse_explaining_sealed() CASCADE;
DROP FUNCTION refuse_posting_to_sealed() CASCADE;
DROP FUNCTION refuse_truncate_of_sealed() CASCADE;
DROP FUNCTION refuse_changes_of_sealed() CASCADE;
DROP FUNCTION refuse_sealed_change() CASCADE;
