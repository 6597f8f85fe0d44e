-- The canonical line of an audit event `e` and its site `s`, once for the function that links events
-- and the statement that verifies the links; `ledger.trail` documents it. A function keeps the text
-- that it was made of: a change of this one takes a migration that makes it anew.
json_build_array(
    'event', e.id, e.at::text, e.actor_id, e.actor_name, e.action, s.code, e.fiscal_day::text,
    e.sequence, e.subject, e.detail::text
)::text
