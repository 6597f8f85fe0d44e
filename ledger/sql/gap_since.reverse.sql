DROP TRIGGER fiscal_day_gap_since ON fiscal_day;
DROP FUNCTION fiscal_day_gap_since();
