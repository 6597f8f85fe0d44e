-- Which of two messages about one thing is newer, in one place for all states that newest wins.
-- Its own time decides, so that what arrives late or twice takes nothing back. But a time that
-- lies in the future at receipt says nothing except that a clock is wrong: where one of the two
-- has such a time, the later receipt decides. `ingest.newest` is the same rule in memory.
CREATE FUNCTION newest_wins(
    at timestamptz, received_at timestamptz, known_at timestamptz, known_received_at timestamptz
) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE
        WHEN at > received_at OR known_at > known_received_at
        THEN received_at >= known_received_at
        ELSE at >= known_at
    END
$$
