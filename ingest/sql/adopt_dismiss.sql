-- Messages of a move that is started over: the same rows come again, read otherwise. They stay, as
-- everything that came does, but nobody has to decide about them any more.
UPDATE quarantine SET outcome = 'dismissed'
WHERE outcome = 'waiting'
    AND topic LIKE 'forecourt/v1/%%/ledger'
    AND substring(raw FROM 1 FOR length(%(prefix)s::bytea)) = %(prefix)s::bytea
