"""Forms that correct entries: one entry's values, a void, many at once, and the decision."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.http import QueryDict
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from console.forms.base import ConsoleForm, FieldGroup
from console.forms.doubts import MEANT, DoubtsMixin
from console.forms.fields import Facts, FigureField, PlainCharField, plain_figure
from ledger.models import Correction, EntryFlag, Kind, Payment
from ledger.repricing import repriced_amount
from ledger.selectors.corrections import VALUE_NAMES
from ledger.selectors.revisions import SelectionFilter
from ledger.signs import amount_made

#: The button that takes the amount that litres and price make.
USE_AMOUNT = "use_amount"
NOTE_MAX = 500
SMALL_MAX = 32_767
INTEGER_MAX = 2_147_483_647
_TIME_FORMAT = "%Y-%m-%dT%H:%M:%S"


class SiteTimeField(forms.DateTimeField):
    """A moment by the clock of the time zone that is active, to the second.

    `kept` is the moment that the form was filled with: left as it was, it stays exact to the
    microsecond, and in the hour that a clock set back repeats. Such an hour is otherwise taken for
    the first of the two.
    """

    widget = forms.DateTimeInput(format=_TIME_FORMAT)
    kept: datetime.datetime | None = None

    def to_python(self, value: Any) -> datetime.datetime | None:
        """Return the aware moment; ValidationError for one that the clock leaves out."""
        if not isinstance(value, str) or not value.strip():
            return super().to_python(value)
        zone = timezone.get_current_timezone()
        with timezone.override(datetime.UTC):
            parsed = super().to_python(value)
        if parsed is None:
            return None
        local = parsed.replace(tzinfo=None, microsecond=0)
        moment = local.replace(tzinfo=zone)
        try:
            if self.kept and local == self._shown(self.kept, zone):
                return self.kept
            shown = self._shown(moment.astimezone(datetime.UTC), zone)
        except OverflowError as error:
            raise ValidationError(
                _("This time is at the very end of the calendar: no clock of a site can show it."),
                code="overflow",
            ) from error
        if shown != local:
            raise ValidationError(
                _("The site's clock was set forward past this time; it never showed it."),
                code="skipped",
            )
        return moment

    @staticmethod
    def _shown(at: datetime.datetime, zone: datetime.tzinfo) -> datetime.datetime:
        return at.astimezone(zone).replace(tzinfo=None, microsecond=0)


class ReasonForm(ConsoleForm):
    """Why an entry is corrected or voided; with the reason “other” in words."""

    reason = forms.TypedChoiceField(
        label=_("Reason"),
        coerce=Correction.Reason,
        choices=[("", _("Choose one")), *Correction.Reason.choices],
    )
    note = PlainCharField(
        label=_("Note"),
        help_text=_("What a second person or an auditor needs to know. Stays on record."),
        required=False,
        max_length=NOTE_MAX,
        widget=forms.Textarea(attrs={"rows": 3}),
    )
    based_on = forms.IntegerField(
        widget=forms.HiddenInput, min_value=0, max_value=SMALL_MAX, required=False
    )
    #: A digest of what was shown as the change; only that is ever done.
    shown = forms.CharField(widget=forms.HiddenInput, required=False, max_length=64)

    @property
    def is_quiet(self) -> bool:
        """Whether what was sent only asks for the amount to be worked out."""
        return super().is_quiet or (self.is_bound and USE_AMOUNT in self.data)

    def clean(self) -> dict[str, Any]:
        """Ask for a note where the reason says nothing."""
        values = super().clean() or {}
        if values.get("reason") == Correction.Reason.OTHER and not values.get("note"):
            self.add_error("note", _("Say what the reason is."))
        return values

    def retold(self, **values: str) -> None:
        """Let the sent form hold other values, as if the person had sent them."""
        assert isinstance(self.data, QueryDict)
        data = self.data.copy()
        for name, value in values.items():
            data[name] = value
        self.data = data


class EntryForm(DoubtsMixin, ReasonForm):
    """All business values of an entry, in the site's currency and by the site's clock.

    A sign that entries of its kind seldom have is asked about and taken.
    """

    groups = (
        FieldGroup(
            title=_("Sale"),
            fields=(
                *("kind", "product", "volume", "unit_price", "amount", MEANT),
                *("tax_rate", "payment"),
            ),
        ),
        FieldGroup(
            title=_("Where and when"),
            fields=("occurred_at", "fuelling_point", "nozzle", "tank", "offline"),
        ),
        FieldGroup(
            title=_("From the pump"), fields=("volume_15c", "totalizer", "device_transaction")
        ),
        FieldGroup(title=_("Why"), fields=("reason", "note")),
    )

    kind = forms.TypedChoiceField(label=_("Kind"), coerce=int, choices=Kind.choices)
    product = forms.ChoiceField(label=_("Product"))
    volume = FigureField(
        label=_("Volume"), required=False, max_digits=12, decimal_places=3, places_min=3
    )
    unit_price = FigureField(
        label=_("Price"), required=False, max_digits=9, decimal_places=4, places_min=4
    )
    amount = FigureField(
        label=_("Amount"),
        help_text=_("Including tax; a refund is negative."),
        max_digits=12,
        decimal_places=2,
        places_min=2,
    )
    tax_rate = FigureField(
        label=_("Tax rate"), required=False, min_value=0, max_digits=5, decimal_places=2
    )
    payment = forms.TypedChoiceField(
        label=_("Payment"),
        required=False,
        coerce=int,
        empty_value=None,
        choices=[("", _("Not stated")), *Payment.choices],
    )
    occurred_at = SiteTimeField(label=_("Occurred"), help_text=_("By the site's clock."))
    fuelling_point = forms.IntegerField(
        label=_("Fuelling point"), required=False, min_value=0, max_value=SMALL_MAX
    )
    nozzle = forms.IntegerField(label=_("Nozzle"), required=False, min_value=0, max_value=SMALL_MAX)
    tank = forms.IntegerField(label=_("Tank"), required=False, min_value=0, max_value=SMALL_MAX)
    offline = forms.BooleanField(label=_("Sold while the pump ran stand-alone"), required=False)
    volume_15c = FigureField(
        label=_("Volume at 15 °C"), required=False, max_digits=12, decimal_places=3, places_min=3
    )
    totalizer = FigureField(
        label=_("Totalizer after the sale"),
        required=False,
        max_digits=18,
        decimal_places=3,
        places_min=3,
    )
    device_transaction = forms.IntegerField(
        label=_("Pump's own number"), required=False, min_value=0, max_value=INTEGER_MAX
    )

    def __init__(self, *args: Any, products: Sequence[str], currency: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        litres = Facts(unit=_("L"), inputmode="decimal")
        self.facts = {
            "volume": litres,
            "volume_15c": litres,
            "totalizer": litres,
            "unit_price": Facts(currency=currency, unit=_("a litre"), inputmode="decimal"),
            "amount": Facts(currency=currency, inputmode="text"),
            "tax_rate": Facts(unit="%"),
        }
        stated = self.initial.get("product")
        # An entry may state a product that the site does not sell; it can stay as it is.
        codes = list(dict.fromkeys([*products, *([stated] if stated else [])]))
        product = forms.ChoiceField(
            label=_("Product"),
            choices=[("", _("Choose one")), *((code, code) for code in codes)],
        )
        self.fields["product"] = product
        when = self.fields["occurred_at"]
        assert isinstance(when, SiteTimeField)
        when.kept = self.initial.get("occurred_at")

    def clean(self) -> dict[str, Any]:
        """Ask about signs that entries of this kind seldom have."""
        values = super().clean()
        kind = values.get("kind")
        self.ask_about(values, is_refund=kind == Kind.REFUND, is_test=kind == Kind.TEST)
        return values

    @property
    def values(self) -> dict[str, Any]:
        """The business values, of a valid form."""
        return {name: self.cleaned_data[name] for name in VALUE_NAMES}

    @property
    def suggested_amount(self) -> Decimal | None:
        """The amount that litres and price as typed make, with the sign of the kind.

        None while they are no figures, and without litres.
        """
        volume, unit_price = self._typed("volume"), self._typed("unit_price")
        if volume is None or unit_price is None:
            return None
        is_refund = str(self["kind"].value()) == str(int(Kind.REFUND))
        return amount_made(volume, unit_price, is_refund=is_refund)

    @property
    def is_amount_other(self) -> bool:
        """Whether the amount as typed is not the one that litres and price make."""
        return self.suggested_amount is not None and self._typed("amount") != self.suggested_amount

    def take_suggested_amount(self) -> None:
        """Let the amount be what litres and price make."""
        if self.suggested_amount is not None:
            self.retold(amount=plain_figure(self.suggested_amount, 2))

    def _typed(self, name: str) -> Decimal | None:
        if not self.is_bound:
            value = self.initial.get(name)
            return value if isinstance(value, Decimal) else None
        try:
            found: Decimal | None = self.fields[name].clean(self.data.get(name))
        except ValidationError:
            return None
        return found


class BulkCorrectionForm(DoubtsMixin, ReasonForm):
    """Which entries of a day, and what is to be another about each."""

    groups = (
        FieldGroup(
            title=_("Which entries"),
            fields=("kind", "only_product", "fuelling_point", "hour_first", "hour_last", "flagged"),
        ),
        FieldGroup(
            title=_("What is to change"),
            help=_(
                "At least one. The amount follows from a new price and keeps its sign; entries "
                "without litres keep their price and amount."
            ),
            fields=("unit_price", MEANT, "product", "payment"),
        ),
        FieldGroup(title=_("Why"), fields=("reason", "note")),
    )

    kind = forms.TypedChoiceField(
        label=_("Kind"),
        required=False,
        coerce=int,
        empty_value=None,
        choices=[("", _("Any kind")), *Kind.choices],
    )
    only_product = forms.ChoiceField(label=_("Product"), required=False)
    fuelling_point = forms.IntegerField(
        label=_("Fuelling point"), required=False, min_value=0, max_value=SMALL_MAX
    )
    hour_first = forms.IntegerField(
        label=_("From hour"),
        help_text=_("0 to 23, by the site's clock."),
        required=False,
        min_value=0,
        max_value=23,
    )
    hour_last = forms.IntegerField(
        label=_("To the end of hour"), required=False, min_value=0, max_value=23
    )
    flagged = forms.BooleanField(label=_("Flagged only"), required=False)
    unit_price = FigureField(
        label=_("New price"),
        required=False,
        max_digits=9,
        decimal_places=4,
        places_min=4,
    )
    product = forms.ChoiceField(label=_("New product"), required=False)
    payment = forms.TypedChoiceField(
        label=_("New payment"),
        required=False,
        coerce=int,
        empty_value=None,
        choices=[("", _("As it is")), *Payment.choices],
    )

    def __init__(
        self,
        *args: Any,
        products: Sequence[str],
        held: Sequence[str],
        currency: str,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.facts = {
            "unit_price": Facts(currency=currency, unit=_("a litre"), inputmode="decimal")
        }
        self.fields["only_product"] = forms.ChoiceField(
            label=_("Product"),
            required=False,
            choices=[("", _("Any product")), *((code, code) for code in held)],
        )
        self.fields["product"] = forms.ChoiceField(
            label=_("New product"),
            required=False,
            choices=[("", _("As it is")), *((code, code) for code in products)],
        )

    def clean(self) -> dict[str, Any]:
        """Ask for a change, for hours in their order, and about a price below zero."""
        values = super().clean()
        if (values.get("unit_price") or 0) < 0:
            self.doubts = {"unit_price": _("This is usually not below zero.")}
            self.ask({EntryFlag.BELOW_ZERO: _("A price below zero is meant")})
        hour_first, hour_last = values.get("hour_first"), values.get("hour_last")
        if hour_first is not None and hour_last is not None and hour_last < hour_first:
            self.add_error("hour_last", _("This hour is before the first one."))
        if not self.errors and not self.changes(values):
            raise ValidationError(_("Say what is to change: price, product or payment."))
        return values

    @property
    def only(self) -> SelectionFilter:
        """Which entries are meant, of a valid form."""
        values = self.cleaned_data
        hour_first, hour_last = values["hour_first"], values["hour_last"]
        return SelectionFilter(
            flagged=values["flagged"],
            product=values["only_product"],
            kind=values["kind"],
            fuelling_point=values["fuelling_point"],
            hour_first=0 if hour_first is None else hour_first,
            hour_last=23 if hour_last is None else hour_last,
        )

    def changes(self, values: dict[str, Any]) -> dict[str, Any]:
        """Return the new values that were given."""
        names = ("unit_price", "product", "payment")
        return {name: values[name] for name in names if values.get(name) not in (None, "")}

    def applied(
        self, values: dict[str, Any], *, tax_rates: Mapping[str, Decimal | None]
    ) -> dict[str, Any]:
        """Return an entry's values with the changes made.

        A new price makes a new amount where there are litres; else price and amount stay. A new
        product has its own tax rate (by its code; one without leaves that of the entry).
        """
        changes = self.changes(self.cleaned_data)
        after = values | changes
        if after["product"] != values["product"]:
            tax_rate = tax_rates.get(after["product"])
            after["tax_rate"] = values["tax_rate"] if tax_rate is None else tax_rate
        if "unit_price" in changes:
            amount = repriced_amount(
                kind=values["kind"],
                amount=values["amount"],
                volume=values["volume"],
                unit_price=after["unit_price"],
            )
            if amount is None:
                after["unit_price"] = values["unit_price"]
            else:
                after["amount"] = amount
        return after

    def leaves_price(self, values: Mapping[str, Any]) -> bool:
        """Say whether an entry keeps its price although a new one was given: it has no litres."""
        return "unit_price" in self.changes(self.cleaned_data) and not values["volume"]


class ApprovalForm(ConsoleForm):
    """A decision on a proposal; a rejection says why."""

    APPROVE, REJECT, WITHDRAW = "approve", "reject", "withdraw"

    decision = forms.ChoiceField(
        widget=forms.HiddenInput,
        choices=[
            (APPROVE, _("Approve")),
            (REJECT, _("Reject")),
            (WITHDRAW, _("Withdraw")),
        ],
    )
    note = PlainCharField(
        label=_("Note on the decision"),
        help_text=_("Needed to reject."),
        required=False,
        max_length=NOTE_MAX,
    )

    def clean(self) -> dict[str, Any]:
        """Ask for a note on a rejection."""
        values = super().clean() or {}
        if values.get("decision") == self.REJECT and not values.get("note"):
            self.add_error("note", _("Say why you reject it."))
        return values
