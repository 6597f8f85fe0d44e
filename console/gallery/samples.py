"""A form with a field of every kind, for the gallery alone."""

from __future__ import annotations

from typing import Any

from django import forms


class SampleForm(forms.Form):
    """Every kind of field that the console's forms have. Its texts are not translated."""

    text = forms.CharField(label="Name", help_text="As it stands on the sign.", max_length=80)
    note = forms.CharField(label="Note", widget=forms.Textarea, required=False)
    amount = forms.DecimalField(label="Amount", localize=True, max_digits=12, decimal_places=2)
    count = forms.IntegerField(label="Fuelling point", min_value=1, max_value=99)
    day = forms.DateField(
        label="Fiscal day", widget=forms.DateInput(format="%Y-%m-%d"), help_text="The first one."
    )
    choice = forms.ChoiceField(
        label="Payment", choices=[("", "Any"), ("cash", "Cash"), ("card", "Card")]
    )
    one_of = forms.ChoiceField(
        label="Action",
        choices=[("correct", "Correct"), ("void", "Void")],
        widget=forms.RadioSelect,
        help_text="What becomes of the entry.",
    )
    some_of = forms.MultipleChoiceField(
        label="Products",
        choices=[("E10", "E10"), ("B7", "B7"), ("SUP", "Super plus")],
        widget=forms.CheckboxSelectMultiple,
        required=False,
    )
    agreed = forms.BooleanField(label="Flagged only", required=False)
    password = forms.CharField(label="Password", widget=forms.PasswordInput, required=False)
    secret = forms.CharField(widget=forms.HiddenInput, required=False)

    def clean(self) -> dict[str, Any] | None:
        """Refuse what the fixture of errors says."""
        values = super().clean() or {}
        if values.get("text") == "nobody":
            raise forms.ValidationError("Nobody is of that name.")
        return values
