-- The triggers of a function go with it.
DROP FUNCTION record_group() CASCADE;
DROP FUNCTION record_row() CASCADE;
DROP TRIGGER row_record_append_only ON row_record;
DROP TRIGGER row_record_no_truncate ON row_record;
DROP FUNCTION row_records_begin();
DROP FUNCTION row_record_write(text, text, smallint, date, jsonb);
DROP FUNCTION row_record_digest(bytea, row_record);
DROP FUNCTION rows_to_record(text, smallint, date, date);
DROP FUNCTION row_key(jsonb, text[]);
DROP FUNCTION row_content(text, jsonb);
DROP FUNCTION row_digests(jsonb, text[]);
DROP FUNCTION row_uncounted(text);
DROP FUNCTION row_record_tables();
