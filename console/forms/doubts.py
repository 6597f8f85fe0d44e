"""Figures whose sign an entry of its kind seldom has: a form asks whether they are meant.

The rule is that of receipt (`ledger.signs`), which flags what it cannot ask about. A form keeps
such figures back once, says beside the field what is odd, and shows a box for each kind of oddity;
what is ticked there is taken. Another kind of oddity is asked about anew.

    class EntryForm(DoubtsMixin, ConsoleForm):
        groups = (FieldGroup(title=_("Sale"), fields=("kind", "amount", MEANT)),)

        def clean(self):
            values = super().clean()
            self.ask_about(values, is_refund=…, is_test=…)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from console.forms.base import ConsoleFormMixin
from console.forms.fields import Text
from ledger.models import EntryFlag
from ledger.signs import figure_flags

#: The field that takes the answer. There is one only while something is asked.
MEANT = "meant"
#: What is asked about. That litres and price make another amount is said beside it instead.
_ASKED = (EntryFlag.AMOUNT_SIGN, EntryFlag.BELOW_ZERO, EntryFlag.NO_LITRES)
_FIGURES = ("volume", "volume_15c", "unit_price", "totalizer")


class DoubtsMixin(ConsoleFormMixin):
    """Asks about the signs of an entry's figures; `doubts` is what is odd, by field name."""

    doubts: Mapping[str, Text] = {}

    def ask_about(self, values: Mapping[str, Any], *, is_refund: bool, is_test: bool) -> None:
        """Add the question to the form, and an error while it is not answered.

        Nothing is asked while a figure is not one, or without an amount.
        """
        if values.get("amount") is None or any(name in self.errors for name in _FIGURES):
            return
        figures = {name: values.get(name) for name in _FIGURES}
        flags = figure_flags(
            is_refund=is_refund, is_test=is_test, amount=values["amount"], **figures
        )
        asked = {flag: _question(flag, is_refund=is_refund) for flag in _ASKED if flags & flag}
        self.doubts = _doubts(flags, values, is_refund=is_refund)
        self.ask(asked)

    def ask(self, asked: Mapping[EntryFlag, Text]) -> None:
        """Ask whether each of these is meant."""
        if not asked:
            return
        choices = {str(int(flag)): text for flag, text in asked.items()}
        field = forms.MultipleChoiceField(
            label=_("Is this meant?"),
            help_text=_("Tick what is right as it is, else correct the figure."),
            choices=list(choices.items()),
            widget=forms.CheckboxSelectMultiple,
        )
        # A tick for what is no longer odd answers nothing, and is no mistake either.
        sent = field.widget.value_from_datadict(self.data, self.files, self.add_prefix(MEANT)) or []
        self.fields[MEANT] = field
        self.cleaned_data[MEANT] = [value for value in sent if value in choices]
        if len(set(self.cleaned_data[MEANT])) < len(asked):
            self.add_error(
                MEANT,
                ValidationError(
                    _("Tick it if it is meant, or correct the figure."), code="not_confirmed"
                ),
            )


def _question(flag: EntryFlag, *, is_refund: bool) -> Text:
    if flag == EntryFlag.AMOUNT_SIGN:
        if is_refund:
            return _("A refund above zero is meant")
        return _("An amount below zero is meant, though it is no refund")
    if flag == EntryFlag.BELOW_ZERO:
        return _("Litres, a price or a totalizer below zero are meant")
    return _("An amount by price without litres is meant")


def _doubts(flags: int, values: Mapping[str, Any], *, is_refund: bool) -> dict[str, Text]:
    """Return what to say beside each field, by its name."""
    doubts: dict[str, Text] = {}
    if flags & EntryFlag.AMOUNT_SIGN:
        doubts["amount"] = (
            _("Money goes back with a refund, so its amount is usually below zero.")
            if is_refund
            else _("Money comes in here, so the amount is usually not below zero.")
        )
    if flags & EntryFlag.BELOW_ZERO:
        names = ("unit_price", "totalizer") if is_refund else _FIGURES
        for name in names:
            if (values.get(name) or 0) < 0:
                doubts[name] = _("This is usually not below zero.")
    if flags & EntryFlag.NO_LITRES:
        doubts["volume"] = _("There is a price a litre and an amount, but there are no litres.")
    return doubts
