"""What staff say as they settle a fiscal day."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from console.forms.base import ConsoleForm
from console.forms.fields import Facts, PlainCharField
from ledger.models import Explanation

SEQUENCE_MAX = 2_147_483_647
NOTE_LENGTH_MAX = 500


class CloseDayForm(ConsoleForm):
    """Why a day is closed in place of the site, and which entry was its last."""

    facts: Mapping[str, Facts] = {"last_sequence": Facts(autocomplete="off")}

    reason = PlainCharField(
        label=_("Why is it closed by hand?"),
        help_text=_(
            "For example that the controller is broken, and who said so. It also explains that the "
            "site declares no totals."
        ),
        max_length=NOTE_LENGTH_MAX,
        widget=forms.Textarea(attrs={"rows": 3}),
    )
    last_sequence = forms.IntegerField(
        label=_("Number of the last entry"),
        help_text=_("As the site's own papers say. Left empty, the highest received one counts."),
        required=False,
        min_value=0,
        max_value=SEQUENCE_MAX,
    )


class ExplainForm(ConsoleForm):
    """Why a difference is as it is. `stated` is the difference that the person sees."""

    stated = forms.CharField(widget=forms.HiddenInput)
    reason = forms.ChoiceField(
        label=_("What explains it?"),
        choices=[("", _("Choose a reason")), *Explanation.Reason.choices],
    )
    note = PlainCharField(
        label=_("Note"),
        help_text=_("What was looked at, and who knows more."),
        required=False,
        max_length=NOTE_LENGTH_MAX,
        widget=forms.Textarea(attrs={"rows": 3}),
    )

    def clean(self) -> dict[str, Any]:
        """Ask for a note where the reason alone says nothing."""
        cleaned = super().clean() or {}
        if cleaned.get("reason") == Explanation.Reason.OTHER and not cleaned.get("note"):
            self.add_error("note", _("Say in a note what the reason is."))
        return cleaned
