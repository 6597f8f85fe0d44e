"""Where in which template something went wrong, however deep it is included."""

from __future__ import annotations

from typing import NamedTuple

from django.template import Template
from django.template.base import Node, Origin


class Place(NamedTuple):
    """A line of a template, by its name below `templates/`."""

    template: str
    line: int

    def __str__(self) -> str:
        return f"templates/{self.template}, line {self.line}"


def place_of(error: BaseException) -> Place | None:
    """Return the innermost tag or variable that was being rendered, or read; None for none.

    Django notes it on the error only while the engine's debug is on, and for no BaseException.
    """
    found = None
    step = error.__traceback__
    while step is not None:
        it = step.tb_frame.f_locals.get("self")
        if isinstance(it, Node):
            found = _place(getattr(it, "origin", None), getattr(it, "token", None)) or found
        elif isinstance(it, Template):
            # A template that cannot be read: the error has the tag.
            found = _place(it.origin, getattr(error, "token", None)) or found
        step = step.tb_next
    # Django raises some anew on the way up.
    return found or (place_of(error.__cause__) if error.__cause__ else None)


def _place(origin: Origin | None, token: object) -> Place | None:
    line = getattr(token, "lineno", None)
    if origin is None or not origin.template_name or line is None:
        return None
    return Place(str(origin.template_name), line)
