"""A quarantined payload as a page shows it: exact, safe whatever the bytes, with the fault marked.

JSON is laid out one value a line: only the white space between its tokens is ours, so numbers,
escapes and repeated names stand as they came. Anything else is shown as text, and each byte that
is no printable character as its number. Nothing here fails, whatever the bytes; what is too long
is cut at a named limit, around the fault where that is known.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby

#: Of a payload that is no JSON a page shows so many bytes.
SHOWN_BYTES_MAX = 16 * 1024
#: Of JSON it shows so many lines, and indents no deeper.
SHOWN_LINES_MAX = 1_000
INDENT_MAX = 16
#: A text longer than this is cut within its line.
TOKEN_CHARS_MAX = 4_096

#: A step of a path: a name, a place, or None for any place.
Step = str | int | None


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a line. `is_escape`: it stands for bytes that cannot be shown."""

    text: str
    is_fault: bool = False
    is_escape: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """A line; `indent` counts levels."""

    parts: list[Part]
    indent: int = 0

    @property
    def is_fault(self) -> bool:
        """Whether the fault is in this line."""
        return any(part.is_fault for part in self.parts)

    @property
    def lead(self) -> str:
        """The white space that it begins with."""
        return "  " * self.indent


@dataclass(frozen=True, slots=True, kw_only=True)
class PayloadView:
    """A payload, laid out. `first_byte` is where what is shown begins; `size` is of all of it."""

    lines: list[Line] = field(default_factory=list)
    is_json: bool = False
    is_cut: bool = False
    first_byte: int = 0
    size: int = 0

    @property
    def has_fault(self) -> bool:
        """Whether the place of the fault is marked."""
        return any(line.is_fault for line in self.lines)

    @property
    def text(self) -> str:
        """What is shown, as plain text."""
        return "\n".join(
            line.lead + "".join(part.text for part in line.parts) for line in self.lines
        )


@dataclass(frozen=True, slots=True)
class FaultPlace:
    """Where the exact reason says that the fault is: a byte, or a path into the JSON."""

    byte: int | None = None
    path: tuple[Step, ...] | None = None


_BYTE = re.compile(r"\(byte (\d{1,8})\)|at position (\d{1,8})$")
_PATH = re.compile(r"at `\$([^`]*)`")
_NAME = re.compile(r"([a-z][a-z0-9_]*)(?:\.([a-z][a-z0-9_]*))?: ")
_STEP = re.compile(r"\.([A-Za-z0-9_]+)|\[(\d+)\]|\[\.\.\.\]")


def fault_place(detail: str, size: int) -> FaultPlace:
    """Read the place of the fault from the exact reason of a payload of so many bytes."""
    if found := _BYTE.search(detail):
        return FaultPlace(byte=int(found[1] or found[2]))
    if detail.startswith("not JSON") and "truncated" in detail:
        return FaultPlace(byte=size)
    if found := _PATH.search(detail):
        steps = [
            step[1] if step[1] is not None else (int(step[2]) if step[2] else None)
            for step in _STEP.finditer(found[1])
        ]
        return FaultPlace(path=tuple(steps))
    if detail.startswith(("Object missing", "Expected `")):
        return FaultPlace(path=())
    if found := _NAME.match(detail):
        # Of a list of readings the reason names the list and the field, but not which reading.
        return FaultPlace(path=(found[1], None, found[2]) if found[2] else (found[1],))
    return FaultPlace()


def payload_view(raw: bytes | memoryview, detail: str = "") -> PayloadView:
    """Lay a payload out, with the fault that the exact reason tells of marked."""
    data = bytes(raw)
    place = fault_place(detail, len(data))
    text = _json_text(data)
    if text is None:
        return _as_text(data, place.byte)
    lines: list[Line] = []
    for line in _json_lines(text, place.path, detail):
        if len(lines) == SHOWN_LINES_MAX:
            return PayloadView(lines=lines, is_json=True, is_cut=True, size=len(data))
        lines.append(line)
    return PayloadView(lines=lines, is_json=True, size=len(data))


def _json_text(data: bytes) -> str | None:
    """Return JSON as text; None if it is none, or nested too deep to be read."""
    try:
        text = data.decode()
        json.loads(text, parse_int=str, parse_float=str, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    return text


def _refuse(constant: str) -> None:
    raise ValueError(constant)


_TOKEN = re.compile(r'\s+|[{}\[\],:]|"(?:[^"\\]|\\.)*"|[^\s{}\[\],:"]+')


def _json_lines(text: str, wanted: tuple[Step, ...] | None, detail: str) -> Iterator[Line]:
    """Yield valid JSON line by line."""
    path: list[Step] = []
    #: For each open bracket, whether it is an object's; and whether anything stands in it.
    objects: list[bool] = []
    filled: list[bool] = []
    parts: list[Part] = []
    awaits_name = False

    def mark(piece: str) -> bool:
        if wanted is None or len(path) != len(wanted):
            return False
        if any(want is not None and want != step for want, step in zip(wanted, path, strict=True)):
            return False
        # Where the reason leaves open which one it is, it quotes the value.
        value = re.escape(piece.strip('"'))
        return None not in wanted or bool(re.search(rf"(?<![\w.]){value}(?![\w.])", detail))

    def line(indent: int) -> Line:
        nonlocal parts
        done, parts = Line(parts, min(indent, INDENT_MAX)), []
        return done

    for piece in _TOKEN.findall(text):
        depth = len(objects)
        if piece.isspace():
            continue
        if piece in "}]":
            if filled[-1]:
                yield line(depth)
            awaits_name = False
            objects.pop()
            filled.pop()
            path.pop()
            parts.append(Part(piece))
        elif piece == ",":
            parts.append(Part(piece))
            yield line(depth)
            if objects[-1]:
                awaits_name = True
            else:
                place = path[-1]
                path[-1] = place + 1 if isinstance(place, int) else 0
        elif piece == ":":
            parts.append(Part(": "))
        else:
            if objects and not filled[-1]:
                filled[-1] = True
                yield line(depth - 1)
            if awaits_name:
                awaits_name = False
                path[-1] = _name(piece)
                parts += _token_parts(piece, is_fault=False)
                continue
            parts += _token_parts(piece, is_fault=mark(piece))
            if piece in "{[":
                objects.append(piece == "{")
                filled.append(False)
                path.append("" if piece == "{" else 0)
                awaits_name = piece == "{"
    yield line(0)


def _name(piece: str) -> str:
    return str(json.loads(piece))


def _token_parts(piece: str, *, is_fault: bool) -> list[Part]:
    if len(piece) > TOKEN_CHARS_MAX:
        piece = piece[:TOKEN_CHARS_MAX] + "…"
    return _parts(piece, is_fault=is_fault)


def _parts(text: str, *, is_fault: bool = False) -> list[Part]:
    """Split a text at what cannot be shown, such as bytes that are no UTF-8."""
    return [
        Part("".join(map(_escape, run)) if is_escape else "".join(run), is_fault, is_escape)
        for is_escape, run in groupby(text, key=_is_unshown)
    ]


def _is_unshown(character: str) -> bool:
    """Say whether a character does not show, or changes how those around it read."""
    return not (character.isprintable() or character == "\n")


def _escape(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _as_text(data: bytes, fault: int | None) -> PayloadView:
    """Show bytes as text, cut to a window that holds the fault."""
    fault = None if fault is None else min(fault, len(data))
    first = 0
    if fault is not None and fault > SHOWN_BYTES_MAX * 3 // 4:
        first = fault - SHOWN_BYTES_MAX // 2
        # Not in the middle of a character.
        while first < fault and data[first] & 0xC0 == 0x80:
            first += 1
    shown = data[first : first + SHOWN_BYTES_MAX]
    if fault is None:
        parts = _parts(_decoded(shown))
    else:
        at = fault - first
        # The whole character that begins there, or the one byte that begins none.
        wide = next(iter(_decoded(shown[at : at + 4])), "")
        width = len(wide.encode("utf-8", "surrogateescape"))
        parts = [
            *_parts(_decoded(shown[:at])),
            *(_parts(wide, is_fault=True) or [Part("", is_fault=True)]),
            *_parts(_decoded(shown[at + width :])),
        ]
    return PayloadView(
        lines=_broken_at_line_ends(parts),
        is_cut=len(shown) < len(data),
        first_byte=first,
        size=len(data),
    )


def _decoded(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _broken_at_line_ends(parts: list[Part]) -> list[Line]:
    lines: list[list[Part]] = [[]]
    for part in parts:
        first, *rest = part.text.split("\n")
        if part.is_fault and rest and not first:
            # The line's end itself is what is wrong.
            first = "\\n"
        lines[-1].append(Part(first, part.is_fault, part.is_escape))
        lines += [[Part(text, is_escape=part.is_escape)] for text in rest]
    return [Line(line) for line in lines]
