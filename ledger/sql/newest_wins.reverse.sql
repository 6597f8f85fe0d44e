DROP FUNCTION newest_wins(timestamptz, timestamptz, timestamptz, timestamptz)
