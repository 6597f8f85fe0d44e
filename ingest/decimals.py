"""Whether a payload writes its decimals as the contract has it: told from its bytes, fast.

The decoder reads a decimal the way Python does, which takes `1_0.00`, ` 1.00 `, `+1.00`, `1e2` and
full-width digits for numbers, too, and what it returns no longer tells. So the bytes are looked
at. A fleet says the same shapes all day: a payload with each digit put down as 0 is looked up
among those that were found plain, which takes a twentieth of the time that decoding takes. The
few that are new or doubtful are looked at closely.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from ledger.plain import plain_decimal

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

#: How many shapes are remembered, and how long each may be: 8 MiB at most.
SHAPES_MAX = 8_192
SHAPE_BYTES_MAX = 1_024

_AS_ZERO = bytes.maketrans(b"123456789", b"000000000")
#: A string of nothing but what a lenient decimal is made of, in a shape; but for plain decimals,
#: dates and codes such as E10, which Python reads as none.
_DOUBTFUL = re.compile(rb'"(?!-?0+(?:\.0+)?"|0000-00-00"|[eE]0*")[\x00-\x20+\-._0eE\x80-\xff]+"')
_plain_shapes: set[bytes] = set()


def are_surely_plain(payload: bytes) -> bool:
    """Tell whether no string of a payload can be a decimal that is not plain.

    False where that is not sure; `lenient_decimal` finds out.
    """
    shape = payload.translate(_AS_ZERO)
    return shape in _plain_shapes or _look(shape)


def _look(shape: bytes) -> bool:
    """Look at a shape that is not remembered, by its objects and their members.

    Arrays repeat the shapes of their objects. What has an id of its own in each message, in letters
    and digits, repeats those of its members: no string in doubt has a comma or a brace in it.
    """
    if b"\\" in shape:
        return False  # an escape may stand for any character
    is_known = True
    for each in set(shape.split(b"}")) - _plain_shapes:
        members = set(each.split(b",")) - _plain_shapes
        if any(_DOUBTFUL.search(member) for member in members):
            return False
        for member in members:
            _remember(member)
        # An object is worth remembering once it came a second time.
        is_known = is_known and not members
        if not members:
            _remember(each)
    if is_known:
        _remember(shape)
    return True


def _remember(shape: bytes) -> None:
    if len(shape) <= SHAPE_BYTES_MAX:
        if len(_plain_shapes) >= SHAPES_MAX:
            _plain_shapes.clear()
        _plain_shapes.add(shape)


class DecimalTexts:
    """Reads the decimals of structs, and of structs in lists of theirs, as they are written."""

    def __init__(self, decimals: Mapping[type[msgspec.Struct], Collection[str]]) -> None:
        self._decimals = decimals
        self._decoders: dict[type[msgspec.Struct], msgspec.json.Decoder[Any]] = {}

    def lenient(self, kind: type[msgspec.Struct], payload: bytes) -> tuple[str, str] | None:
        """Return the name and text of the first decimal that is not plain, None where all are.

        The payload is one that was decoded as this kind.
        """
        decoder = self._decoders.get(kind)
        if decoder is None:
            decoder = self._decoders[kind] = msgspec.json.Decoder(self._texts_of(kind))
        return _first_lenient(decoder.decode(payload), "")

    def _texts_of(self, kind: type[msgspec.Struct]) -> Any:
        """Return the kind of a struct that holds the raw bytes of its decimals, and no more."""
        fields: list[tuple[str, Any, Any]] = [
            (name, msgspec.Raw, msgspec.Raw()) for name in self._decimals.get(kind, ())
        ]
        for field in msgspec.structs.fields(kind):
            for inner in self._decimals:
                if _holds(field.type, inner):
                    texts = self._texts_of(inner)
                    fields.append((field.name, list[texts] | None, None))  # type: ignore[valid-type]
        return msgspec.defstruct(f"{kind.__name__}Texts", fields, kw_only=True)


def _holds(kind: Any, item: type) -> bool:
    """Tell whether a type is made of another: a list of it, or that or null."""
    return kind is item or any(_holds(part, item) for part in getattr(kind, "__args__", ()))


def _first_lenient(texts: msgspec.Struct, prefix: str) -> tuple[str, str] | None:
    for name in texts.__struct_fields__:
        value = getattr(texts, name)
        if isinstance(value, list):
            found = next(filter(None, (_first_lenient(item, f"{name}.") for item in value)), None)
            if found:
                return found
        elif value is not None and bytes(value).startswith(b'"'):
            text = msgspec.json.decode(value, type=str)
            if plain_decimal(text) is None:
                return prefix + name, text
    return None
