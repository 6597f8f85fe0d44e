"""Live pages: database notifications in, Server-Sent Events out.

`changes` hears what the ledger announces; `hub` renders each fragment once for all who watch it
(`topics` says what there is to watch, `render` does it) and hands every viewer the newest;
`stream` is the connection of one viewer, which `admission` lets in; `service` is the whole of it
in one process, and `routing` puts it beside Django.
"""
