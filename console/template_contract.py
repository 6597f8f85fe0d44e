"""What a template says of itself: the comment that each one opens with.

    {# A tank and its gauge. context: tank (TankView), families, note (optional) #}

Before `context:` a sentence or two; after it the names that the template needs, with commas
between, each with a note in brackets if there is something to say: its type, when it is None,
whether it is optional. `No context.` or `context: none` for a template that needs nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_COMMENT = re.compile(r"\{#(.*?)#\}")
_CONTEXT = re.compile(r"\bcontext:\s*", re.IGNORECASE)
_NO_CONTEXT = re.compile(r"\b(?:no context|context: none)\b", re.IGNORECASE)
_ITEM = re.compile(r"([a-z_][a-z0-9_]*)\s*(?:\((.*)\))?", re.DOTALL)


class ContractError(Exception):
    """A template does not open with a contract that can be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextName:
    """A name of a template's context, and what its contract says of it."""

    name: str
    note: str = ""

    @property
    def is_optional(self) -> bool:
        """Whether the template does without it."""
        return "optional" in self.note.split(":")[0].lower().split()


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """What a template is, and the context that it needs."""

    summary: str
    names: tuple[ContextName, ...]

    @property
    def by_name(self) -> dict[str, ContextName]:
        """The names of the context."""
        return {each.name: each for each in self.names}


def read_contract(source: str) -> Contract:
    """Return the contract of a template's source; ContractError where there is none."""
    for comment in _COMMENT.findall(source):
        text = " ".join(comment.split())
        if _NO_CONTEXT.search(text):
            return Contract(summary=_NO_CONTEXT.sub("", text).strip(" ."), names=())
        if found := _CONTEXT.search(text):
            names = tuple(_item(part) for part in _parts(text[found.end() :]))
            return Contract(summary=text[: found.start()].strip(" ."), names=names)
    raise ContractError(
        "It does not open with its contract: {# What it is. context: site (Site), tanks #}"
    )


def optional_names(source: str) -> frozenset[str]:
    """Return the names that a template does without; none if its contract cannot be read."""
    try:
        names = read_contract(source).names
    except ContractError:
        return frozenset()
    return frozenset(each.name for each in names if each.is_optional)


def _parts(text: str) -> list[str]:
    """Split at the commas outside of brackets."""
    parts, depth = [""], 0
    for letter in text.strip().rstrip("."):
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts]


def _item(text: str) -> ContextName:
    found = _ITEM.fullmatch(text)
    if not found:
        raise ContractError(
            f"Its contract cannot be read at “{text}”. Write names with commas between and notes "
            "in brackets: {# What it is. context: site (Site), tanks (list of TankView) #}"
        )
    return ContextName(name=found[1], note=(found[2] or "").strip())
