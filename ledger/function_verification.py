"""Verifying that the functions of the database are those that the project's SQL makes.

A guard whose trigger stands may have been made to let everything through.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from django.db import connection

from ledger.faults import Fault
from ledger.sql import functions

_HELD = """
SELECT p.proname, p.prosrc
FROM pg_proc p
WHERE p.pronamespace = 'public'::regnamespace AND p.proname = ANY (%s)
"""
_BLANKS = re.compile(r"\s+")


def functions_verify() -> Iterator[Fault]:
    """Yield which functions are gone or are not what the project's SQL says."""
    wanted = functions()
    with connection.cursor() as cursor:
        cursor.execute(_HELD, [list(wanted)])
        held = dict(cursor.fetchall())
    for name, body in sorted(wanted.items()):
        if name not in held:
            yield Fault(what=f"the function {name} of the database is gone")
        elif held[name] != body and _plain(held[name]) != _plain(body):
            yield Fault(what=f"the function {name} of the database is not the project's")


def _plain(body: str) -> str:
    return _BLANKS.sub(" ", body).strip()
