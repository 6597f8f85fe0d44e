DROP TRIGGER quarantine_decision_no_truncate ON quarantine_decision;
DROP TRIGGER quarantine_decision_append_only ON quarantine_decision;
DROP TRIGGER quarantine_kept ON quarantine;
DROP FUNCTION quarantine_refuse_change();
