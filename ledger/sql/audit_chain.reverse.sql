DROP TRIGGER audit_link_no_truncate ON audit_link;
DROP TRIGGER audit_link_append_only ON audit_link;
DROP FUNCTION audit_link_events(boolean, integer);
DROP TRIGGER audit_event_linked ON audit_event;
DROP FUNCTION audit_wait_for_link();
