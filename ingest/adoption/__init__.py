"""Moving a table of an old shape into the ledger: its source, a sample, the move, and its check.

Each row becomes a message of the event contract and goes the way of any other: decoded, judged,
stored, recognised as a duplicate, or kept in quarantine with the reason. So nothing is known here
of what a good entry is.

| module | |
|---|---|
| `source` | the old table: its columns, its key, and the statements that read it |
| `sample` | what would become of a few rows, before anything is written |
| `moving` | the move, piece by piece, which goes on where it was |
| `verifying` | each row looked up where it should be, and the whole compared with the old table |
| `local_times` | times without an offset of sites that were not registered yet |
"""
