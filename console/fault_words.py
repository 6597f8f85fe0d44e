"""Why the worker refused a message, in the words of who reads it.

A message in quarantine keeps the exact reason, in English and in the decoder's terms: for who
looks after the site's controller. Here it becomes a sentence in the reader's language. A field
keeps its name in the message, because that is where it has to be put right; a reason that nobody
knows here stays as it is.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from console import formatting

_AT = re.compile(r" - at `\$\.?(?P<field>[^`]*)`$")
_TYPES: Mapping[str, str | Promise] = {
    "array": gettext_lazy("a list"),
    "bool": gettext_lazy("true or false"),
    "date": gettext_lazy("a date"),
    "datetime": gettext_lazy("a time"),
    "decimal": gettext_lazy("a number"),
    "float": gettext_lazy("a number"),
    "int": gettext_lazy("a whole number"),
    "null": gettext_lazy("nothing"),
    "object": gettext_lazy("an object"),
    "str": gettext_lazy("text"),
}


def fault_words(detail: str) -> str:
    """Return the reason as a sentence, or as it is."""
    place = _AT.search(detail)
    told = detail[: place.start()] if place else detail
    field = place["field"] if place else ""
    for pattern, words in _FAULTS:
        if found := pattern.fullmatch(told):
            said = words(found)
            return _("%(field)s: %(fault)s") % {"field": field, "fault": said} if field else said
    return detail


def _day(text: str) -> str:
    try:
        return formatting.stated(datetime.date.fromisoformat(text))
    except ValueError:
        return text


def _types(text: str) -> str:
    """Name JSON types, of which there may be several: `int | null`."""
    return _(" or ").join(str(_TYPES.get(each, each)) for each in text.split(" | "))


def _fault(
    pattern: str, words: Callable[[re.Match[str]], str]
) -> tuple[re.Pattern[str], Callable[[re.Match[str]], str]]:
    return re.compile(pattern, re.DOTALL), words


_FAULTS = (
    _fault(
        r"the fiscal day (\d{4}-\d\d-\d\d) is sealed",
        lambda found: _("The fiscal day %(day)s is sealed.") % {"day": _day(found[1])},
    ),
    _fault(
        r"the fiscal day (\d{4}-\d\d-\d\d) is before the site's first, (\d{4}-\d\d-\d\d)",
        lambda found: (
            _("The fiscal day %(day)s is before the site's first one, %(first)s.")
            % {"day": _day(found[1]), "first": _day(found[2])}
        ),
    ),
    _fault(
        r"the fiscal day (\d{4}-\d\d-\d\d) is later than (\d{4}-\d\d-\d\d)",
        lambda found: (
            _("The fiscal day %(day)s is too far ahead: %(last)s was the last one that could be.")
            % {"day": _day(found[1]), "last": _day(found[2])}
        ),
    ),
    _fault(
        r"the ledger holds another entry (\d+) of (\d{4}-\d\d-\d\d)",
        lambda found: (
            _("The ledger holds another entry %(number)s of %(day)s.")
            % {"number": found[1], "day": _day(found[2])}
        ),
    ),
    _fault(
        r"no site is registered under the code '(.*)'",
        lambda found: _("No site is registered under the code %(code)s.") % {"code": found[1]},
    ),
    _fault(
        r"a payload of (\d{1,15}) bytes; at most (\d{1,15}) are taken",
        lambda found: (
            _("It has %(size)s bytes; at most %(most)s are taken.")
            % {"size": formatting.number(int(found[1])), "most": formatting.number(int(found[2]))}
        ),
    ),
    _fault(
        r"an array of (\d{1,9}) items; at most (\d{1,9}) are taken",
        lambda found: (
            _("It has %(size)s items; at most %(most)s are taken.")
            % {"size": formatting.number(int(found[1])), "most": formatting.number(int(found[2]))}
        ),
    ),
    _fault(
        r"(.*): forecourt/v1/SITE/LANE or forecourt/v1/SITE/LANE/NUMBER is expected",
        lambda found: (
            _("There is no such topic; expected is %(expected)s.")
            % {"expected": "forecourt/v1/SITE/LANE(/NUMBER)"}
        ),
    ),
    _fault(
        r"not JSON: (?:JSON is malformed: )?(.*)",
        lambda found: _("It is not JSON: %(what)s") % {"what": found[1]},
    ),
    _fault(
        r"not UTF-8: byte (\w+) at position (\d+)",
        lambda found: (
            _("It is not UTF-8: byte %(byte)s at position %(position)s.")
            % {"byte": found[1], "position": found[2]}
        ),
    ),
    _fault(
        r"Object missing required field `(.+)`",
        lambda found: _("The field %(name)s is missing.") % {"name": found[1]},
    ),
    _fault(
        r"Expected `datetime` with a timezone component",
        lambda _found: _("the time has no offset from UTC."),
    ),
    _fault(
        r"Expected `str` of length <= (\d+)",
        lambda found: _("longer than %(most)s characters.") % {"most": found[1]},
    ),
    _fault(r"Expected `str` of length >= 1", lambda _found: _("empty.")),
    _fault(
        r"Expected `\w+` >= (-?[\d.]+)",
        lambda found: _("less than %(least)s.") % {"least": found[1]},
    ),
    _fault(
        r"Expected `\w+` <= (-?[\d.]+)",
        lambda found: _("more than %(most)s.") % {"most": found[1]},
    ),
    _fault(
        r"Expected `([^`]+)`, got `([^`]+)`",
        lambda found: (
            _("%(expected)s is expected, not %(got)s.")
            % {"expected": _types(found[1]), "got": _types(found[2])}
        ),
    ),
    _fault(
        r"Invalid (?:enum )?value '(.*)'",
        lambda found: _("“%(value)s” is not known.") % {"value": found[1]},
    ),
    _fault(
        r"Invalid RFC3339 encoded (?:datetime|date)",
        lambda _found: _("not a time as RFC 3339 writes it."),
    ),
    _fault(r"Invalid decimal string", lambda _found: _("not a number.")),
    _fault(
        r"(\w+): (\S+) has more than (\d+) decimal places",
        lambda found: (
            _("%(field)s: %(value)s has more than %(places)s decimal places.")
            % {"field": found[1], "value": found[2], "places": found[3]}
        ),
    ),
    _fault(
        r"([\w.]+): '(.*)' is no decimal of digits and one point",
        lambda found: (
            _("%(field)s: “%(value)s” is no number of digits and a point.")
            % {"field": found[1], "value": found[2]}
        ),
    ),
    _fault(
        r"([\w.]+): holds (?:the character (U\+\w+)|a NUL character)",
        lambda found: (
            _("%(field)s: it holds %(character)s, which nobody can see.")
            % {"field": found[1], "character": found[2] or "U+0000"}
        ),
    ),
    _fault(
        r"holds half of a surrogate pair, (\S+)",
        lambda found: _("It holds half of a character, %(character)s.") % {"character": found[1]},
    ),
    _fault(
        r"([\w.]+): (\S+) is not a finite number",
        lambda found: (
            _("%(field)s: %(value)s is not a number.") % {"field": found[1], "value": found[2]}
        ),
    ),
    _fault(
        r"([\w.]+): (\S+) is too large \(at most (\d+) digits before the point\)",
        lambda found: (
            _("%(field)s: %(value)s is too large; at most %(most)s digits stand before the point.")
            % {"field": found[1], "value": found[2], "most": found[3]}
        ),
    ),
)
