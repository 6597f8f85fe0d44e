DROP FUNCTION site_refuse_change() CASCADE;
