"""What the query of an address asks for, read so that no text of it can fail further in.

Forms read what people type (`console.forms`). These read what links carry, and single texts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import QueryDict

TEXT_LENGTH_MAX = 80
#: The largest number of a row in the database.
ID_MAX = 2**63 - 1
#: Python refuses to read thousands of digits.
_DIGITS_MAX = 40


def text_asked(query: QueryDict, name: str) -> str:
    """Return a text that is looked for, without outer blanks and not too long.

    PostgreSQL holds no NUL and refuses to look for one: it becomes the sign for what is no
    character, which the page shows and which nothing is like.
    """
    text = query.get(name, "").replace("\x00", "\N{REPLACEMENT CHARACTER}")
    return text.strip()[:TEXT_LENGTH_MAX]


def number_asked(query: Mapping[str, Any], name: str, *, most: int = ID_MAX) -> int | None:
    """Return a number from 1 to `most`, which stands for all beyond; None where it is none."""
    text = query.get(name, "")
    if not (text.isascii() and text.isdigit()) or not text.strip("0"):
        return None
    return min(int(text), most) if len(text) <= _DIGITS_MAX else most
