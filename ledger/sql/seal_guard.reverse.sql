DROP FUNCTION refuse_new_code() CASCADE;
DROP FUNCTION refuse_if_day_is_sealed() CASCADE;
DROP FUNCTION refuse_change_of_sealed() CASCADE;
DROP TRIGGER explanation_append_only ON explanation;
DROP TRIGGER explanation_no_truncate ON explanation;
DROP TRIGGER day_seal_append_only ON day_seal;
DROP TRIGGER day_seal_no_truncate ON day_seal;
