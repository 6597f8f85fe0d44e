"""Turns the plain values of fixtures into what views give to templates: the real classes.

Whoever writes a fixture writes texts, figures and tables. Which class a table becomes follows from
the template's contract and from there on from the classes' own fields, so a fixture with a field
that is no more is an error, and no fixture drifts from the code. What a fixture leaves out is
empty: None where that may be, else 0, no text, an empty list.
"""

from __future__ import annotations

import dataclasses
import datetime
import enum
import re
import types
import typing
from collections import abc
from copy import deepcopy
from decimal import Decimal, InvalidOperation
from typing import Any

from django import forms
from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.core.paginator import Page, Paginator
from django.db import models
from django.db.models.expressions import DatabaseDefault
from django.forms.renderers import BaseRenderer
from django.forms.utils import ErrorList
from django.http import QueryDict
from django.utils import translation
from django.utils.safestring import SafeString

from console.gallery.known_types import known_type
from console.template_contract import ContextName

_TIME = re.compile(r"now((?:[+-]\d+[smhdw])*)")
_DATE = re.compile(r"today((?:[+-]\d+[dw])*)")
_SHIFT = re.compile(r"([+-]\d+)([smhdw])")
_SPAN = re.compile(r"(\d+)([smhdw])")
_BY = re.compile(r"(.*?)\bby (.*)")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_SEQUENCES = {list, tuple, set, frozenset, abc.Sequence, abc.Iterable, abc.Collection}
_MAPPINGS = {dict, abc.Mapping, abc.MutableMapping}
#: What a name stands for when its note names no type.
_USUAL = {"site": "Site", "widget": "Widget", "user": "User"}
#: A fixture repeats a table at most so often.
REPEAT_MAX = 1_000


class FixtureError(Exception):
    """A fixture says something that cannot be shown; the message says where and what to do."""


class Values:
    """Makes values as of one moment."""

    def __init__(
        self, shared: dict[str, Any], *, now: datetime.datetime, renderer: BaseRenderer
    ) -> None:
        self.shared = shared
        self.now = now
        self.renderer = renderer
        self._extra: frozenset[str] = frozenset()

    # --- What is shared and repeated ----------------------------------------------------------

    def expanded(self, value: Any, turn: int = 0, depth: int = 0) -> Any:
        """Put what is shared in place of "@name", and rows in place of a table with `repeat`."""
        if depth > 40:
            raise FixtureError("A shared value contains itself.")
        if isinstance(value, str) and value.startswith("@"):
            return self._shared(value, turn, depth)
        if isinstance(value, list):
            return [self.expanded(each, turn, depth + 1) for each in value]
        if not isinstance(value, dict):
            return value
        if value.keys() == {"cycle"}:
            return self.expanded(value["cycle"][turn % len(value["cycle"])], turn, depth + 1)
        if value.keys() == {"from", "step"}:
            start, step = value["from"], value["step"]
            return f"{start}{step * turn}" if isinstance(start, str) else start + step * turn
        if "repeat" in value:
            each = {name: part for name, part in value.items() if name != "repeat"}
            if value["repeat"] > REPEAT_MAX:
                raise FixtureError(f"“repeat” is {REPEAT_MAX} at most.")
            return [self.expanded(each, number, depth + 1) for number in range(value["repeat"])]
        base = self.expanded(value["use"], turn, depth + 1) if "use" in value else {}
        own = {
            name: self.expanded(part, turn, depth + 1)
            for name, part in value.items()
            if name != "use"
        }
        return merged(base, own)

    def _shared(self, reference: str, turn: int, depth: int) -> Any:
        if reference == "@none":
            return None
        if reference[1:] not in self.shared:
            raise FixtureError(
                f"There is no shared value “{reference}”. templates/shared.gallery.toml has: "
                + ", ".join(f"@{name}" for name in sorted(self.shared))
            )
        return self.expanded(deepcopy(self.shared[reference[1:]]), turn, depth + 1)

    # --- By contract --------------------------------------------------------------------------

    def of_contract(self, value: Any, name: ContextName) -> Any:
        """Make the value of a name of the context, of the type that its note speaks of."""
        return self._within(name.name, self._of_contract, value, name)

    def _of_contract(self, value: Any, name: ContextName) -> Any:
        value = self.expanded(value)
        if value is None:
            return None
        # What a view adds to a row: "message (Quarantine with raw_head)".
        self._extra = frozenset(re.findall(r"\w+", name.note.partition("with ")[2]))
        if "HTML" in name.note:
            return SafeString(value)
        if isinstance(value, dict) and (by := _BY.fullmatch(name.note)):
            held, keys = _noted_type(by[1]), _noted_type(by[2])
            return {
                self.typed(_key(key), keys): self._each(part, held) for key, part in value.items()
            }
        hint = _noted_type(name.note) or known_type(_USUAL.get(name.name, ""))
        return self._each(value, hint)

    def _each(self, value: Any, hint: Any) -> Any:
        if isinstance(value, list) and hint is not ErrorList:
            return [self.typed(each, hint) for each in value]
        return self.typed(value, hint)

    # --- By type ------------------------------------------------------------------------------

    def typed(self, value: Any, hint: Any) -> Any:
        """Make a value of a type."""
        if value is None:
            return None
        if isinstance(value, dict) and "is" in value:
            value = dict(value)
            name = value.pop("is")
            hint = known_type(name)
            if hint is None:
                raise FixtureError(f"Nothing is called “{name}”.")
        origin = typing.get_origin(hint)
        if origin in {typing.Union, types.UnionType}:
            return self.typed(value, _member(value, typing.get_args(hint)))
        if origin is typing.Literal:
            return value
        if origin in _SEQUENCES:
            return self._sequence(value, hint, origin)
        if origin in _MAPPINGS:
            keys, parts = typing.get_args(hint)
            return {
                self.typed(_key(key), keys): self._within(key, self.typed, part, parts)
                for key, part in value.items()
            }
        if isinstance(hint, type):
            return self._of_class(value, hint)
        return self._plain(value)

    def _sequence(self, value: Any, hint: Any, origin: Any) -> Any:
        parts = [part for part in typing.get_args(hint) if part is not Ellipsis] or [Any]
        if not isinstance(value, list):
            raise FixtureError(f"It wants a list in square brackets, not {value!r}.")
        made = [self.typed(each, parts[0]) for each in value]
        return origin(made) if origin in {tuple, set, frozenset} else made

    def _plain(self, value: Any) -> Any:
        """Without a type: tables stay tables, and a text that speaks of now becomes a time."""
        if isinstance(value, dict):
            if value.keys() == {"bytes"}:
                return str(value["bytes"]).encode()
            if value.keys() == {"decimal"}:
                return self._decimal(value["decimal"])
            return {name: self._within(name, self.typed, part, Any) for name, part in value.items()}
        if isinstance(value, list):
            return [self.typed(each, Any) for each in value]
        if isinstance(value, str) and _TIME.fullmatch(value):
            return self._time(value)
        if isinstance(value, str) and _DATE.fullmatch(value):
            return self._date(value)
        return value

    def _of_class(self, value: Any, hint: type) -> Any:
        if (make := _SPECIAL.get(hint)) is not None:
            return make(self, value)
        if issubclass(hint, forms.BoundField):
            return self._bound_field(value)
        if value == "":
            # What a template's filter gives for nothing.
            return value
        if issubclass(hint, enum.Enum):
            return _member_of(hint, value)
        if not isinstance(value, dict):
            if dataclasses.is_dataclass(hint) or issubclass(hint, models.Model | forms.BaseForm):
                raise FixtureError(f"It wants a table ({hint.__name__}), not {value!r}.")
            return self._plain(value)
        if issubclass(hint, models.Model):
            return self._model(value, hint)
        if issubclass(hint, forms.BaseForm):
            return self._form(value, hint)
        if issubclass(hint, forms.BaseFormSet):
            return self._rows(value, hint)
        if dataclasses.is_dataclass(hint) or hasattr(hint, "_fields"):
            return self._record(value, hint)
        return self._plain(value)

    def _record(self, value: dict[str, Any], hint: type) -> Any:
        """Make a dataclass or a named tuple."""
        hints = typing.get_type_hints(hint)
        if dataclasses.is_dataclass(hint):
            fields = [field.name for field in dataclasses.fields(hint) if field.init]
            needed = [
                field.name
                for field in dataclasses.fields(hint)
                if field.init
                and field.default is dataclasses.MISSING
                and field.default_factory is dataclasses.MISSING
            ]
        else:
            fields = list(hint._fields)  # type: ignore[attr-defined]
            needed = [name for name in fields if name not in hint._field_defaults]  # type: ignore[attr-defined]
        for name in value.keys() - set(fields):
            raise FixtureError(_unknown(hint, name, fields))
        given = {
            name: self._within(name, self.typed, part, hints[name]) for name, part in value.items()
        }
        empty = {name: self._empty(hints[name]) for name in needed if name not in given}
        return hint(**given, **empty)

    def _empty(self, hint: Any) -> Any:
        arguments = typing.get_args(hint)
        origin = typing.get_origin(hint) or hint
        if origin in {typing.Union, types.UnionType}:
            return None if type(None) in arguments else self._empty(arguments[0])
        if origin in _SEQUENCES:
            return () if origin is tuple else []
        if origin in _MAPPINGS:
            return {}
        if origin in {int, float, str, bool, Decimal}:
            return origin()
        if origin is datetime.datetime:
            return self.now
        if origin is datetime.date:
            return self.now.date()
        if origin is datetime.timedelta:
            return datetime.timedelta()
        if isinstance(origin, type) and issubclass(origin, enum.Enum):
            return next(iter(origin))
        if isinstance(origin, type) and issubclass(origin, models.Model):
            return self._model({}, origin)
        if dataclasses.is_dataclass(origin):
            return self._record({}, typing.cast("type", origin))
        return None

    def _model(self, value: dict[str, Any], hint: type[models.Model]) -> Any:
        """Make a row that is in no database."""
        instance = hint()
        for field in _meta(hint).concrete_fields:
            if field.attname not in value and not field.is_relation:
                self._fill(instance, field)
        if "site" not in value and any(
            field.name == "site" and field.many_to_one for field in _meta(hint).concrete_fields
        ):
            value = {"site": self.expanded("@site")} | value
        hints = typing.get_type_hints(hint)
        for name, part in value.items():
            setattr(
                instance,
                name,
                self._within(name, self._attribute, part, (hint, hints, name)),
            )
        return instance

    def _fill(self, instance: models.Model, field: Any) -> None:
        current = instance.__dict__.get(field.attname)
        if isinstance(current, DatabaseDefault):
            current = getattr(field.db_default, "value", field.db_default)
        if current is None and not field.null and not field.primary_key:
            if isinstance(field, models.DateTimeField):
                current = self.now
            elif isinstance(field, models.DateField):
                current = self.now.date()
            elif isinstance(field, models.IntegerField | models.DecimalField):
                current = field.to_python(0)
            elif isinstance(field, models.JSONField):
                current = {}
        instance.__dict__[field.attname] = current

    def _attribute(self, value: Any, about: tuple[type[models.Model], dict[str, Any], str]) -> Any:
        hint, hints, name = about
        try:
            field = _meta(hint).get_field(name)
        except FieldDoesNotExist:
            if name in self._extra:
                return self._plain(value)
            if name in hints:
                return self.typed(value, hints[name])
            names = [each.name for each in _meta(hint).get_fields() if not each.auto_created]
            raise FixtureError(_unknown(hint, name, names)) from None
        if value is None:
            return None
        if field.is_relation:
            return self.typed(value, field.related_model)
        if isinstance(field, models.BinaryField):
            return str(value).encode()
        if isinstance(field, models.DateTimeField):
            return self._time(value)
        if isinstance(field, models.DateField):
            return self._date(value)
        if isinstance(value, str) and field.choices and isinstance(field, models.IntegerField):
            return _choice(field, value)
        if isinstance(field, models.JSONField):
            return self._plain(value)
        try:
            return field.to_python(value)
        except ValidationError as error:
            raise FixtureError(" ".join(error.messages)) from error

    def _form(self, value: dict[str, Any], hint: type[forms.BaseForm]) -> forms.BaseForm:
        """Make a form: with `data` as if it was sent, with `errors` as if those were found."""
        known = {"data", "initial", "arguments", "errors", "disabled", "prefix"}
        for name in value.keys() - known:
            raise FixtureError(_unknown(hint, name, sorted(known)))
        form: Any = hint(
            data=_query(value["data"]) if "data" in value else None,
            initial=self._plain(value.get("initial", {})),
            prefix=value.get("prefix"),
            renderer=self.renderer,
            **self._plain(value.get("arguments", {})),
        )
        for name in value.get("disabled", []):
            form.fields[name].disabled = True
        for name, text in value.get("errors", {}).items():
            form.add_error(None if name == "form" else name, text)
        return typing.cast("forms.BaseForm", form)

    def _rows(self, value: dict[str, Any], hint: type[forms.BaseFormSet]) -> Any:
        """Make rows of forms; with `row` the form of one of them, counted from 0."""
        value = dict(value)
        row = value.pop("row", None)
        known = {"data", "initial", "arguments", "prefix"}
        for name in value.keys() - known:
            raise FixtureError(_unknown(hint, name, sorted(known)))
        made: Any = hint(
            data=_query(value["data"]) if "data" in value else None,
            initial=self._plain(value.get("initial", [])),
            prefix=value.get("prefix", "rows"),
            form_kwargs={"renderer": self.renderer} | self._plain(value.get("arguments", {})),
        )
        made.renderer = self.renderer
        return made if row is None else made.forms[row]

    # --- Single values ------------------------------------------------------------------------

    def _time(self, value: Any) -> datetime.datetime:
        if isinstance(value, datetime.datetime):
            return value if value.tzinfo else value.replace(tzinfo=datetime.UTC)
        if found := _TIME.fullmatch(str(value)):
            return self.now + _shift(found[1])
        raise FixtureError(
            f"{value!r} is no time. Write now, now-5m, now-2h+10m or 2026-11-22T14:03:00Z."
        )

    def _date(self, value: Any) -> datetime.date:
        if isinstance(value, datetime.date):
            return value
        if found := _DATE.fullmatch(str(value)):
            return self.now.date() + _shift(found[1])
        raise FixtureError(f"{value!r} is no date. Write today, today-1d or 2026-11-22.")

    def _clock(self, value: Any) -> datetime.time:
        return value if isinstance(value, datetime.time) else datetime.time.fromisoformat(value)

    def _span(self, value: Any) -> datetime.timedelta:
        if not (found := _SPAN.fullmatch(str(value))):
            raise FixtureError(f"{value!r} is no span of time. Write 90s, 5m, 2h or 3d.")
        return _shift(f"+{found[1]}{found[2]}")

    def _decimal(self, value: Any) -> Decimal:
        try:
            return Decimal(str(value))
        except InvalidOperation as error:
            raise FixtureError(f"{value!r} is no decimal. Write it as “47.93”.") from error

    def _page(self, value: Any) -> Page:
        """Make a page of a list: {number = 2, count = 120, per_page = 50}."""
        pages = Paginator(range(value.get("count", 1)), value.get("per_page", 50))
        return pages.page(value.get("number", 1))

    def _bound_field(self, value: Any) -> forms.BoundField:
        """Make a field of a form: the form's name and values, and `field`."""
        value = dict(value)
        form, field = value.pop("form"), value.pop("field")
        hint = known_type(form)
        if hint is None or not issubclass(hint, forms.BaseForm):
            raise FixtureError(f"There is no form “{form}”.")
        return self._form(value, hint)[field]

    def _widget(self, value: Any) -> dict[str, Any]:
        """Make what a widget's template gets: {kind = "DateInput", name = "first", value = …}."""
        choices = {"choices": value["choices"]} if "choices" in value else {}
        widget = getattr(forms, value["kind"])(**choices)
        context = widget.get_context(
            value.get("name", "name"), self._plain(value.get("value")), value.get("attrs", {})
        )
        made = context["widget"]
        if "option" in value:
            # One of its options, counted from 0.
            return typing.cast("dict[str, Any]", made["optgroups"][value["option"]][1][0])
        return typing.cast("dict[str, Any]", made)

    def _errors(self, value: Any) -> ErrorList:
        return ErrorList(value, renderer=self.renderer, field_id="id_field")

    def _within(self, name: str, make: Any, *args: Any) -> Any:
        """Call and add to an error where it is."""
        try:
            return make(*args)
        except FixtureError as error:
            raise FixtureError(f"{name}: {error}") from error
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            raise FixtureError(f"{name}: {type(error).__name__}: {error}") from error


_SPECIAL: dict[type, Any] = {
    Decimal: Values._decimal,  # noqa: SLF001
    datetime.datetime: Values._time,  # noqa: SLF001
    datetime.date: Values._date,  # noqa: SLF001
    datetime.time: Values._clock,  # noqa: SLF001
    datetime.timedelta: Values._span,  # noqa: SLF001
    Page: Values._page,  # noqa: SLF001
    forms.BoundField: Values._bound_field,  # noqa: SLF001
    forms.Widget: Values._widget,  # noqa: SLF001
    ErrorList: Values._errors,  # noqa: SLF001
    QueryDict: lambda _values, value: QueryDict(value),
    SafeString: lambda _values, value: SafeString(value),
    bool: lambda _values, value: bool(value),
    int: lambda _values, value: int(value),
    float: lambda _values, value: float(value),
    str: lambda _values, value: str(value),
    bytes: lambda _values, value: str(value).encode(),
}


def _meta(model: type[models.Model]) -> Any:
    return model._meta  # noqa: SLF001 - public in spite of its name


def merged(base: Any, own: Any) -> Any:
    """Return a table with another laid over it, tables within tables, too."""
    if isinstance(own, dict) and isinstance(base, str) and base.startswith("@"):
        base = {"use": base}
    if not isinstance(base, dict) or not isinstance(own, dict):
        return own
    # A table that says what repeats, or whose values it has, is not to be mixed with another.
    if own.keys() & {"repeat", "use", "cycle", "from", "is"} or "repeat" in base:
        return own
    return base | {name: merged(base.get(name), part) for name, part in own.items()}


def _noted_type(note: str) -> type | None:
    """Return the first type that a note names."""
    for word in re.findall(r"[A-Za-z_][\w.]*", note):
        if (found := known_type(word.rstrip("."))) is not None:
            return found
    return None


def _member(value: Any, hints: tuple[Any, ...]) -> Any:
    """Return the type of a union that a value is meant for."""
    candidates = [hint for hint in hints if hint is not type(None)]
    if isinstance(value, dict):
        for hint in candidates:
            if typing.get_origin(hint) in _MAPPINGS or dataclasses.is_dataclass(hint):
                return hint
            if isinstance(hint, type) and issubclass(hint, models.Model):
                return hint
    return candidates[0]


def _member_of(hint: type[enum.Enum], value: Any) -> enum.Enum:
    for member in hint:
        if value == member.value or str(value).upper() == member.name:
            return member
    names = ", ".join(str(member.value) for member in hint)
    raise FixtureError(f"{value!r} is no {hint.__name__}: {names}")


def _choice(field: Any, value: str) -> Any:
    """Return the number of a choice by its English label: Drive-off."""
    with translation.override("en"):
        numbers = {str(label).lower(): number for number, label in field.flatchoices}
    if value.lower() not in numbers:
        raise FixtureError(f"{value!r} is none of: {', '.join(numbers)}")
    return numbers[value.lower()]


def _key(key: str) -> int | str:
    """A table's keys are texts, also where they are meant as numbers."""
    return int(key) if key.isdecimal() else key


def _shift(text: str) -> datetime.timedelta:
    return sum(
        (datetime.timedelta(**{_UNITS[unit]: int(n)}) for n, unit in _SHIFT.findall(text)),
        datetime.timedelta(),
    )


def _query(data: dict[str, Any]) -> QueryDict:
    query = QueryDict(mutable=True)
    for name, value in data.items():
        query.setlist(name, value if isinstance(value, list) else [value])
    return query


def _unknown(hint: type, name: str, names: list[str]) -> str:
    return f"{hint.__name__} has no “{name}”. It has: {', '.join(names)}"
