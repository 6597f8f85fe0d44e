"""The wire format of Server-Sent Events (WHATWG HTML, section 9.2)."""

from __future__ import annotations

import re

# Only these end a line there; str.splitlines() knows many more.
_LINE_END = re.compile(r"\r\n|\r|\n")


def event(name: str, data: str) -> bytes:
    """Return one event. Each line of the data has a field of its own."""
    lines = "".join(f"data: {line}\n" for line in _LINE_END.split(data))
    return f"event: {name}\n{lines}\n".encode()


def retry(delay_ms: int) -> bytes:
    """Return the field that says how long a browser waits before it connects again."""
    return b"retry: %d\n\n" % delay_ms
