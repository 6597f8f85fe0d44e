"""Forms that decide what becomes of quarantined messages."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, NamedTuple, cast
from zoneinfo import available_timezones

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from console.forms.base import ConsoleForm, FieldGroup
from console.forms.doubts import MEANT, DoubtsMixin
from console.forms.fields import Facts, FigureField, PlainCharField, Text
from console.payload import fault_place, payload_view
from ledger.models import Kind, Payment, QuarantineDecision
from ledger.selectors.stated import (
    stated_date,
    stated_decimal,
    stated_object,
    stated_text,
    stated_time,
)
from ledger.services.quarantine import PAYLOAD_BYTES_MAX

Action = QuarantineDecision.Action

NOTE_LENGTH_MAX = 500
#: A larger payload is no text that one mends in a browser.
MENDED_IN_PAGE_BYTES_MAX = 64 * 1024
#: Lines of the difference that is shown before a mended text is sent, and that are compared.
DIFFERENCE_LINES_MAX = 400
DEVICE_NUMBER_MAX = 32_767
SEQUENCE_MAX = 2_147_483_647
#: What is decided about a message for good wants a reason; to try it again needs none.
WANTS_NOTE = frozenset({Action.ADMIT, Action.ACCEPT, Action.REFUSE, Action.DISMISS})


class DecisionForm(ConsoleForm):
    """A decision and why. The buttons say which decision."""

    action = forms.ChoiceField(choices=Action.choices, widget=forms.HiddenInput)
    note = PlainCharField(
        label=gettext_lazy("Reason"),
        help_text=gettext_lazy(
            "Stands beside your name in the audit trail. Needed unless you replay it."
        ),
        required=False,
        max_length=NOTE_LENGTH_MAX,
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    says_optional = False

    def clean(self) -> dict[str, Any] | None:
        """Ask for a reason where one is needed."""
        values = super().clean() or {}
        if values.get("action") in WANTS_NOTE and "note" in values and not values["note"]:
            self.add_error("note", _("Say why, for who reads this later."))
        return values


class BulkDecisionForm(DecisionForm):
    """A decision on all messages of a list up to the last one that the person saw."""

    last_id = forms.IntegerField(min_value=0, max_value=2**63 - 1, widget=forms.HiddenInput)


class RegisterForm(ConsoleForm):
    """What has to be known of a site before its messages can be stored."""

    facts: Mapping[str, Facts] = {"currency": Facts(autocomplete="off")}

    name = PlainCharField(label=gettext_lazy("Name"), max_length=120)
    timezone = forms.ChoiceField(
        label=gettext_lazy("Time zone"),
        help_text=gettext_lazy("The clock that the site's hours and its cut-off go by."),
    )
    currency = forms.RegexField(
        r"^[A-Z]{3}$",
        label=gettext_lazy("Currency"),
        help_text=gettext_lazy("Three capital letters, such as GBP or EUR."),
        max_length=3,
        error_messages={"invalid": gettext_lazy("These are not three capital letters.")},
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = cast("forms.ChoiceField", self.fields["timezone"])
        field.choices = [(name, name) for name in sorted(available_timezones()) if "/" in name]


class ChangedText(NamedTuple):
    """A field of a message before and after it was mended; None where it is absent."""

    label: Text
    before: str | None
    after: str | None


def _time(value: str) -> None:
    if stated_time(value) is None:
        raise ValidationError(
            _("This is no time with an offset, such as 2026-11-22T14:03:11+00:00.")
        )


def _device(label: Any) -> forms.IntegerField:
    return forms.IntegerField(label=label, required=False, min_value=0, max_value=DEVICE_NUMBER_MAX)


def _figure(label: Text, digits: int, places: int, **options: Any) -> FigureField:
    return FigureField(
        label=label, required=False, max_digits=digits, decimal_places=places, **options
    )


class MendForm(ConsoleForm):
    """What both ways of mending have; `payload` is the mended message."""

    note = PlainCharField(
        label=gettext_lazy("Note"),
        required=False,
        max_length=NOTE_LENGTH_MAX,
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    #: What is sent once the form is valid.
    payload: bytes = b""

    def refuse_unchanged(self, *, is_changed: bool) -> None:
        """Add an error if nothing was mended."""
        if not is_changed:
            raise ValidationError(
                _("Nothing is changed yet. To try it once more as it came, replay it unchanged.")
            )


#: How each field of a ledger entry is compared, so that what means the same stays as it came.
_READERS: Mapping[str, Callable[[Any], Any]] = {
    "fiscal_day": stated_date,
    "occurred_at": stated_time,
    "product": stated_text,
} | dict.fromkeys(
    ("amount", "volume", "volume_15c", "unit_price", "tax_rate", "totalizer"), stated_decimal
)


class EntryMendForm(DoubtsMixin, MendForm):
    """The fields of a ledger entry, as the message has them; what cannot be read too.

    A sign that entries of its kind seldom have is asked about and taken.
    """

    groups = (
        FieldGroup(
            title=gettext_lazy("Which entry"),
            fields=("fiscal_day", "sequence", "kind", "occurred_at"),
        ),
        FieldGroup(
            title=gettext_lazy("What was sold"),
            fields=("product", "volume", "unit_price", "amount", MEANT, "tax_rate", "payment"),
        ),
        FieldGroup(
            title=gettext_lazy("Where"),
            fields=(
                "fuelling_point",
                "nozzle",
                "tank",
                "device_transaction",
                "totalizer",
                "volume_15c",
                "offline",
            ),
        ),
        FieldGroup(title=gettext_lazy("Why"), fields=("note",)),
    )

    fiscal_day = forms.DateField(label=gettext_lazy("Fiscal day"))
    sequence = forms.IntegerField(
        label=gettext_lazy("Sequence"), min_value=1, max_value=SEQUENCE_MAX
    )
    kind = forms.ChoiceField(
        label=gettext_lazy("Kind"), choices=[(kind.name.lower(), kind.label) for kind in Kind]
    )
    occurred_at = forms.CharField(
        label=gettext_lazy("Occurred"),
        help_text=gettext_lazy("With its offset, such as 2026-11-22T14:03:11+00:00."),
        max_length=40,
        validators=[_time],
    )
    product = PlainCharField(label=gettext_lazy("Product"), max_length=32)
    amount = FigureField(label=gettext_lazy("Amount"), max_digits=12, decimal_places=2)
    volume = _figure(gettext_lazy("Volume"), 12, 3)
    volume_15c = _figure(gettext_lazy("Volume at 15 °C"), 12, 3)
    unit_price = _figure(gettext_lazy("Price a litre"), 9, 4)
    tax_rate = _figure(gettext_lazy("Tax rate"), 5, 2, min_value=0, max_value=100)
    fuelling_point = _device(gettext_lazy("Fuelling point"))
    nozzle = _device(gettext_lazy("Nozzle"))
    tank = _device(gettext_lazy("Tank"))
    payment = forms.ChoiceField(
        label=gettext_lazy("Payment"),
        required=False,
        choices=[
            ("", gettext_lazy("not said")),
            *((payment.name.lower(), payment.label) for payment in Payment),
        ],
    )
    device_transaction = forms.IntegerField(
        label=gettext_lazy("Pump's own number"), required=False, min_value=0, max_value=65_535
    )
    totalizer = _figure(gettext_lazy("Totalizer"), 18, 3)
    offline = forms.BooleanField(
        label=gettext_lazy("Sold while the pump ran stand-alone"), required=False
    )

    def __init__(
        self,
        data: Any = None,
        *,
        raw: bytes | memoryview,
        detail: str = "",
        currency: str = "",
        initial: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        self.told = stated_object(raw) or {}
        litres = Facts(unit=_("L"))
        self.facts = dict.fromkeys(("volume", "volume_15c", "totalizer"), litres) | {
            "amount": Facts(currency=currency),
            "unit_price": Facts(currency=currency),
            "tax_rate": Facts(unit="%"),
        }
        stated = {name: self._initial(name) for name in self.base_fields}
        super().__init__(data, initial={**stated, **(initial or {})}, **kwargs)
        path = fault_place(detail, 0).path
        if path and path[0] in self.fields:
            self.focused_field = str(path[0])

    @staticmethod
    def fits(raw: bytes | memoryview) -> bool:
        """Say whether a message is one that has such fields."""
        return stated_object(raw) is not None

    def _initial(self, name: str) -> Any:
        value = self.told.get(name)
        if value is None or isinstance(value, bool):
            return value
        read = _READERS.get(name)
        if read in (stated_date, stated_decimal) and read is not None:
            return read(value) if read(value) is not None else _as_text(value)
        return _as_text(value)

    def clean(self) -> dict[str, Any] | None:
        """Make the mended message, once every field is right."""
        values = super().clean() or {}
        if not self.errors:
            kind = values["kind"]
            self.ask_about(values, is_refund=kind == "refund", is_test=kind == "test")
        if self.errors:
            return values
        told = {**self.told}
        for name in self.fields:
            if name not in ("note", MEANT):
                self._tell(told, name, values[name])
        self.payload = json.dumps(told, ensure_ascii=False, default=str).encode()
        self.changes = [
            ChangedText(self.fields[name].label or name, _or_none(before), _or_none(after))
            for name in self.fields
            if name != MEANT and (before := self.told.get(name)) != (after := told.get(name))
        ]
        self.refuse_unchanged(is_changed=bool(self.changes))
        return values

    def _tell(self, told: dict[str, Any], name: str, value: Any) -> None:
        """Say a field's value in the contract's words, unless the message says the same."""
        before = told.get(name)
        if value in ("", None) or value is False:
            if before not in (None, False):
                del told[name]
            return
        read = _READERS.get(name)
        if before is not None and not isinstance(before, bool):
            if read is not None and read(before) == (
                read(value) if name == "occurred_at" else value
            ):
                return
            if read is None and before == value:
                return
        if isinstance(value, Decimal):
            value = f"{value:f}"
        elif name == "fiscal_day":
            value = value.isoformat()
        told[name] = value


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _or_none(value: Any) -> str | None:
    return None if value is None else _as_text(value)


class DifferingLine(NamedTuple):
    """A line of the difference between two texts; `sign` is "-", "+" or empty."""

    sign: str
    text: str


class RawMendForm(MendForm):
    """The text of any message that is not too long to be mended in a page."""

    text = forms.CharField(
        label=gettext_lazy("Message"),
        max_length=PAYLOAD_BYTES_MAX,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 16, "spellcheck": "false", "autocapitalize": "off"}),
    )
    field_order = ("text", "note")

    def __init__(
        self,
        data: Any = None,
        *,
        raw: bytes | memoryview,
        initial: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        self.before = _editable_text(bytes(raw))
        super().__init__(data, initial={"text": self.before, **(initial or {})}, **kwargs)

    @staticmethod
    def fits(raw: bytes | memoryview) -> bool:
        """Say whether a message is short enough."""
        return len(raw) <= MENDED_IN_PAGE_BYTES_MAX

    def clean_text(self) -> str:
        """Return the text with the line ends of JSON; refuse what is no JSON."""
        text: str = self.cleaned_data["text"].replace("\r\n", "\n")
        if len(text.encode("utf-8", "replace")) > PAYLOAD_BYTES_MAX:
            raise ValidationError(
                _("This is longer than the %(bytes)s bytes that a message may have."),
                params={"bytes": PAYLOAD_BYTES_MAX},
            )
        try:
            json.loads(text)
            text.encode()
        except json.JSONDecodeError as error:
            raise ValidationError(
                _("Line %(line)s, character %(column)s: this is no JSON."),
                params={"line": error.lineno, "column": error.colno},
            ) from None
        except (ValueError, RecursionError):
            raise ValidationError(_("This is no JSON.")) from None
        return text

    def clean(self) -> dict[str, Any] | None:
        """Make the mended message and its difference to the one that came."""
        values = super().clean() or {}
        if "text" in values:
            self.payload = values["text"].encode()
            self.refuse_unchanged(is_changed=values["text"] != self.before)
        return values

    @property
    def difference(self) -> list[DifferingLine]:
        """What is changed, line by line, with the lines around it."""
        before, after = (
            text.splitlines()[:DIFFERENCE_LINES_MAX]
            for text in (self.before, self.payload.decode())
        )
        lines = list(difflib.unified_diff(before, after, lineterm="", n=2))[2:]
        return [
            DifferingLine(line[0] if line[0] in "+-" else "", line[1:])
            for line in lines[:DIFFERENCE_LINES_MAX]
            if not line.startswith("@@")
        ]


def _editable_text(raw: bytes) -> str:
    """Return JSON laid out, anything else as it came; bytes that are no text become a mark."""
    view = payload_view(raw)
    is_exact = not any(part.is_escape for line in view.lines for part in line.parts)
    if view.is_json and not view.is_cut and is_exact:
        return view.text
    return raw.decode("utf-8", "replace").replace("\r\n", "\n")
