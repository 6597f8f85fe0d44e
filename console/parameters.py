"""What the query of an address asks for, read so that no text of it can fail further in.

Forms read what people type (`console.forms`). These read what links carry, and single texts.
"""

from __future__ import annotations

import contextlib

from django.http import QueryDict

TEXT_LENGTH_MAX = 80
#: The largest number of a row in the database.
ID_MAX = 2**63 - 1


def text_asked(query: QueryDict, name: str) -> str:
    """Return a text that is looked for, without outer blanks and not too long.

    PostgreSQL holds no NUL and refuses to look for one: it becomes the sign for what is no
    character, which the page shows and which nothing is like.
    """
    text = query.get(name, "").replace("\x00", "\N{REPLACEMENT CHARACTER}")
    return text.strip()[:TEXT_LENGTH_MAX]


def number_asked(query: QueryDict, name: str, *, most: int = ID_MAX) -> int | None:
    """Return a number from 0 to `most`, the nearer end for one beyond; None where it is none."""
    with contextlib.suppress(ValueError):
        return min(max(int(query.get(name, "")), 0), most)
    return None
