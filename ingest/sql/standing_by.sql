-- A second process of a worker's name has no pulse of its own; this says that it is there. The row
-- is the working one's: until that has reported, there is nothing to note.
UPDATE ingest_worker SET standby_at = now() WHERE name = %(worker)s
