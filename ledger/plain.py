"""Plain texts, decimals and times: what a message's, a form's or a file's characters mean.

Two texts that look the same are the same, so they are compared in Unicode's composed form (NFC)
and without blanks around them. What nobody can see is refused: it would make two of what looks
like one, or turn around what is read. A decimal is ASCII digits with one point at most, since all
else that Python reads as one (`1_0`, ` 1 `, `+1`, full-width digits, `1e2`, `NaN`) is a slip.
"""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal

_REFUSED_RANGES = (
    (0x0000, 0x001F),  # controls, NUL among them
    (0x007F, 0x009F),
    (0x00AD, 0x00AD),  # soft hyphen
    (0x034F, 0x034F),  # combining grapheme joiner
    (0x0600, 0x0605),  # Arabic number marks
    (0x061C, 0x061C),
    (0x06DD, 0x06DD),
    (0x070F, 0x070F),
    (0x0890, 0x0891),
    (0x08E2, 0x08E2),
    (0x115F, 0x1160),  # Hangul fillers, drawn as nothing
    (0x17B4, 0x17B5),
    (0x180B, 0x180F),
    (0x200B, 0x200F),  # zero-width space and joiners, marks of direction
    (0x2028, 0x202E),  # line and paragraph separators, embeddings and overrides of direction
    (0x2060, 0x206F),  # word joiner, isolates
    (0x3164, 0x3164),
    (0xD800, 0xDFFF),  # surrogates, which stand alone where they are seen
    (0xFE00, 0xFE0F),  # variation selectors
    (0xFEFF, 0xFEFF),  # zero-width no-break space, the byte-order mark
    (0xFFA0, 0xFFA0),
    (0xFFF0, 0xFFFB),
    (0x110BD, 0x110BD),
    (0x110CD, 0x110CD),
    (0x13430, 0x1343F),
    (0x1BCA0, 0x1BCA3),
    (0x1D173, 0x1D17A),
    (0xE0000, 0xE0FFF),  # tags
)


def _written(code: int) -> str:
    """Return a character as both Python and JavaScript have it in a regular expression."""
    return f"\\u{code:04x}" if code <= 0xFFFF else chr(code)


#: The characters that no text may hold, as the inside of a regular expression's `[...]`: controls,
#: and all that is drawn as nothing or changes the direction. A JSON schema takes it, too.
REFUSED_CHARACTERS = "".join(
    "-".join(_written(end) for end in sorted({first, last})) for first, last in _REFUSED_RANGES
)
_REFUSED = re.compile(f"[{REFUSED_CHARACTERS}]")
_OF_LINES = re.compile(r"[\t\n\r]")
#: What people's own words are made of, too: lines, and the joiners and selectors of emoji and of
#: some scripts.
_OF_WORDS = re.compile(r"[\t\n\r\u200c\u200d\ufe00-\ufe0f]")

_DECIMAL = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
_LEAP_SECOND = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}):60(?:\.[0-9]+)?"
    r"([Zz]|[+-][0-9]{2}:?[0-9]{2})"
)
#: The last instant of a minute, to the microsecond that Python and PostgreSQL know.
_LAST_INSTANT = r"\1:59.999999\2"


class PlainTextError(ValueError):
    """A text holds a character that nobody can see. The message names it: `U+200B`."""

    def __init__(self, character: str) -> None:
        self.code = f"U+{ord(character):04X}"
        super().__init__(self.code)


def plain_text(text: str, *, is_prose: bool = False) -> str:
    """Return a text as it is compared and stored: in NFC, without blanks around it.

    PlainTextError where it holds a control character, one that is drawn as nothing, one that
    changes the direction, or half of a surrogate pair. What people write in their own words
    (`is_prose`) may hold tabs and line breaks, and what emoji are joined with.
    """
    if text.isascii() and text.isprintable():
        return text.strip()
    found = _REFUSED.search(_OF_WORDS.sub(" ", text) if is_prose else text)
    if found:
        raise PlainTextError(found[0])
    return unicodedata.normalize("NFC", text).strip()


def without_invisible(text: str) -> str:
    """Return a text without the characters that nobody can see; line breaks become blanks."""
    return _REFUSED.sub("", _OF_LINES.sub(" ", text))


def plain_decimal(text: str) -> Decimal | None:
    """Return a decimal as the contract writes one; None for any other text."""
    return Decimal(text) if _DECIMAL.fullmatch(text) else None


def without_leap_second(text: str) -> str:
    """Return a time with `:60` as the last instant of that minute; any other text as it is."""
    found = _LEAP_SECOND.fullmatch(text)
    return found.expand(_LAST_INSTANT) if found else text
