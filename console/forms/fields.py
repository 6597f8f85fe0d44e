"""What the console's forms know of a field beside what Django knows: facts, never markup."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NoReturn

from django import forms
from django.core.exceptions import ValidationError
from django.forms.boundfield import BoundField
from django.utils import formats
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from console import formatting
from ledger.plain import PlainTextError, plain_text

Text = str | Promise


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the templates draw and the browser is told about one field.

    `unit` stands inside the field's frame, after the figure (litres, per cent, °C); `currency` is
    an ISO code, whose symbol stands where the reader's language writes it. `inputmode` chooses the
    keyboard of a phone; without one it follows from the kind of field. `autocomplete` is the
    browser's own vocabulary. With `is_checked_alone` the field is checked as soon as it was
    changed (`console.forms.answers.field_check`).
    """

    unit: Text = ""
    currency: str = ""
    inputmode: str = ""
    autocomplete: str = ""
    is_checked_alone: bool = False


_NO_FACTS = Facts()


class ConsoleField(BoundField):
    """A field of a form with its facts: the form's attribute `facts`, by field name."""

    @property
    def facts(self) -> Facts:
        """What the form says of this field."""
        facts: Mapping[str, Facts] = getattr(self.form, "facts", {})
        return facts.get(self.name, _NO_FACTS)

    @property
    def unit_before(self) -> str:
        """What stands in the frame before the figure."""
        return formatting.currency_mark(self.facts.currency).before

    @property
    def unit_after(self) -> str:
        """What stands in the frame after the figure."""
        symbol = formatting.currency_mark(self.facts.currency).after
        return " ".join(part for part in (symbol, str(self.facts.unit)) if part)

    @property
    def is_checked_alone(self) -> bool:
        """Whether htmx asks for the field to be checked when it was changed."""
        return self.facts.is_checked_alone and not self.use_fieldset and not self.is_hidden

    @property
    def is_optional(self) -> bool:
        """Whether the label says that the field may stay empty."""
        says_so: bool = getattr(self.form, "says_optional", False)
        return (
            says_so
            and not self.field.required
            and not self.field.disabled
            and not isinstance(self.field, forms.BooleanField)
        )

    @property
    def anchor(self) -> str:
        """The id that a link to this field leads to: that of the first option where it has some."""
        if self.use_fieldset and not self.id_for_label:
            return f"{self.auto_id}_0"
        return self.id_for_label

    @property
    def now(self) -> str:
        """The value that somebody else stored meanwhile, in words; empty where it is no other.

        See `console.forms.base.ConsoleForm.current`.
        """
        current: Mapping[str, Any] = getattr(self.form, "current", {})
        if self.name not in current or not self.field.has_changed(current[self.name], self.data):
            return ""
        return value_words(self.field, current[self.name])

    @property
    def doubt(self) -> Text:
        """Oddities of the value, which can be meant all the same (`console.forms.doubts`)."""
        doubts: Mapping[str, Text] = getattr(self.form, "doubts", {})
        return doubts.get(self.name, "")

    @property
    def aria_describedby(self) -> str | None:
        """Django's with what is odd, and the unit before what is wrong, read with the figure."""
        ids = super().aria_describedby
        if self.doubt and self.auto_id and not self.is_hidden:
            ids = f"{ids or ''} {self.auto_id}_doubt".strip()
        if ids is None or not (self.unit_before or self.unit_after) or not self.auto_id:
            return ids
        unit, error = f"{self.auto_id}_unit", f"{self.auto_id}_error"
        parts = ids.split()
        parts.insert(parts.index(error) if error in parts else len(parts), unit)
        return " ".join(parts)

    def build_widget_attrs(
        self, attrs: dict[str, Any], widget: forms.Widget | None = None
    ) -> dict[str, Any]:
        """Django's, and the facts that the browser itself acts upon."""
        widget = widget or self.field.widget
        attrs = super().build_widget_attrs(attrs, widget)
        if widget.is_hidden:
            # Nothing that would describe it is on the page.
            attrs.pop("aria-describedby", None)
            return attrs
        told = {
            "inputmode": self.facts.inputmode or self._inputmode(),
            "autocomplete": self.facts.autocomplete,
            "autofocus": getattr(self.form, "focused_field", "") == self.name,
        }
        return attrs | {
            name: value for name, value in told.items() if value and name not in widget.attrs
        }

    def _inputmode(self) -> str:
        """Digits alone where a figure cannot be negative: a phone's keypad has no minus."""
        if not isinstance(self.field, forms.IntegerField):
            return ""
        least = self.field.min_value() if callable(self.field.min_value) else self.field.min_value
        if least is None or least < 0:
            return "text"
        return "decimal" if isinstance(self.field, forms.DecimalField) else "numeric"


class PlainCharField(forms.CharField):
    """A text as the ledger compares it: in NFC, without blanks around it, nothing invisible in it.

    A textarea is for people's own words, which may have lines and emoji.
    """

    default_error_messages = {  # noqa: RUF012 Django's own convention
        "invisible": gettext_lazy("It holds %(character)s, which nobody can see. Leave it out."),
    }

    def to_python(self, value: Any) -> Any:
        """Return the text; ValidationError where it holds what nobody can see."""
        text = super().to_python(value) or ""
        try:
            return plain_text(text, is_prose=isinstance(self.widget, forms.Textarea))
        except PlainTextError as error:
            raise ValidationError(
                self.error_messages["invisible"],
                code="invisible",
                params={"character": error.code},
            ) from None


class FigureField(forms.DecimalField):
    """A decimal as people of the page's language write it, never misread.

    Shown without separators of thousands and without needless zeros (but `places_min` places).
    Read strictly: the language's decimal mark, and its mark of thousands only where groups of three
    digits stand as they should (1,234.50 in English, 1.234,50 in German). What is written with the
    other language's mark is refused with the way to write it, and what one reads as 1479 and
    another as 1.479 is refused rather than guessed.
    """

    default_error_messages = {  # noqa: RUF012 Django's own convention
        "ambiguous": gettext_lazy(
            "This can be read as %(thousands)s or as %(fraction)s. Write it as one of the two."
        ),
        "other_point": gettext_lazy("Write %(figure)s with a point before the decimals."),
        "other_comma": gettext_lazy("Write %(figure)s with a comma before the decimals."),
    }

    def __init__(self, *, places_min: int = 0, **kwargs: Any) -> None:
        kwargs.setdefault("localize", True)
        self.places_min = places_min
        super().__init__(**kwargs)

    def to_python(self, value: Any) -> Decimal | None:  # type: ignore[override]
        """Return the decimal; ValidationError where it is none, or could be misread."""
        if value in self.empty_values or not isinstance(value, str):
            return super().to_python(value)
        text = value.strip().replace("\N{MINUS SIGN}", "-")
        if not text:
            return None
        point = formats.get_format("DECIMAL_SEPARATOR")
        mark = formats.get_format("THOUSAND_SEPARATOR")
        plain = _read_figure(text, point=point, mark=mark)
        if plain is None:
            self._refuse(text, point=point, mark=mark)
        if self._could_be_a_fraction(text, mark):
            sign_and_whole, _mark, rest = text.partition(mark)
            raise ValidationError(
                self.error_messages["ambiguous"],
                code="ambiguous",
                params={"thousands": plain, "fraction": sign_and_whole + point + rest},
            )
        return Decimal(plain)

    def prepare_value(self, value: Any) -> Any:
        """Return the figure as one would type it; what was typed stays as it is."""
        return plain_figure(value, self.places_min) if isinstance(value, Decimal) else value

    def _could_be_a_fraction(self, text: str, mark: str) -> bool:
        """Whether it is 1.479 in German or 1,479 in English: one mark, three digits after it.

        With fewer than three places the three digits can be nothing but thousands.
        """
        is_one_group = re.fullmatch(rf"[+-]?[1-9][0-9]{{0,2}}{re.escape(mark)}[0-9]{{3}}", text)
        has_three_places = self.decimal_places is None or self.decimal_places > 2
        return is_one_group is not None and mark in ".," and has_three_places

    def _refuse(self, text: str, *, point: str, mark: str) -> NoReturn:
        """Say how to write it, if it is plain what is meant; else that it is no figure."""
        meant = _read_figure(text, point=mark, mark=point)
        if meant is None or mark not in ".,":
            raise ValidationError(self.error_messages["invalid"], code="invalid")
        raise ValidationError(
            self.error_messages["other_point" if point == "." else "other_comma"],
            code="other_mark",
            params={"figure": meant.replace(".", point)},
        )


def _read_figure(text: str, *, point: str, mark: str) -> str | None:
    """Return what is written with these marks in plain digits and a point, None if it is not."""
    whole = rf"[0-9]+|[1-9][0-9]{{0,2}}(?:{re.escape(mark)}[0-9]{{3}})+"
    if not re.fullmatch(rf"[+-]?(?:{whole})?(?:{re.escape(point)}[0-9]+)?", text):
        return None
    plain = text.replace(mark, "").replace(point, ".")
    return plain if any(sign.isdecimal() for sign in plain) else None


def plain_figure(value: Decimal, places_min: int = 0) -> str:
    """Return a decimal with the decimal mark of the language and nothing else."""
    whole, _point, fraction = f"{value:f}".partition(".")
    fraction = fraction.rstrip("0").ljust(places_min, "0")
    return formats.get_format("DECIMAL_SEPARATOR").join([whole, fraction] if fraction else [whole])


def value_words(field: forms.Field, value: Any) -> str:
    """Return a stored value of a field in words; figures and times may be texts, as in JSON."""
    if isinstance(value, bool):
        return _("Yes") if value else _("No")
    if value is None or value in ("", []):
        return _("nothing")
    if isinstance(value, (list, tuple, set)):
        return ", ".join(value_words(field, each) for each in value)
    if isinstance(field, forms.ChoiceField):
        words = {str(key): str(label) for key, label in _flat(field.choices)}
        return words.get(str(value), str(value))
    if isinstance(field, FigureField):
        return plain_figure(Decimal(value))
    if isinstance(field, forms.TimeField) and isinstance(value, str):
        value = datetime.time.fromisoformat(value)
    if isinstance(value, (datetime.date, datetime.time)):
        return str(formats.localize(value))
    return str(value)


def _flat(choices: Any) -> list[tuple[Any, Any]]:
    flat: list[tuple[Any, Any]] = []
    for key, label in choices:
        if isinstance(label, (list, tuple)):
            flat += label
        else:
            flat.append((key, label))
    return flat
