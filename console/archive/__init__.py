"""The parts of the audit export.

`README.md` and `verify.py` go into each archive as they are; `tables` says what each file holds,
`datapackage` makes the schema of it, and `console.audit_export` writes the archive.
"""
