DROP FUNCTION correction_refuse_change() CASCADE;
DROP FUNCTION refuse_change() CASCADE;
