"""Forms with a field of every kind, for the gallery alone. Their texts are not translated."""

from __future__ import annotations

from typing import Any

from django import forms

from console.forms.base import ConsoleForm, FieldGroup
from console.forms.fields import Facts, FigureField
from console.forms.rows import RowsFormSet, rows_factory


class SampleForm(ConsoleForm):
    """Every kind of field that the console's forms have."""

    groups = (
        FieldGroup(
            title="Money", help="In the site's currency.", fields=("amount", "price", "volume")
        ),
    )
    facts = {  # noqa: RUF012 - as every form's
        "amount": Facts(currency="GBP"),
        "price": Facts(currency="EUR", unit="a litre"),
        "volume": Facts(unit="L"),
    }

    text = forms.CharField(label="Name", help_text="As it stands on the sign.", max_length=80)
    note = forms.CharField(label="Note", widget=forms.Textarea, required=False)
    amount = FigureField(label="Amount", decimal_places=2, places_min=2)
    price = FigureField(label="Price", min_value=0, decimal_places=4, places_min=3, required=False)
    volume = FigureField(label="Volume", min_value=0, decimal_places=3, required=False)
    count = forms.IntegerField(label="Fuelling point", min_value=1, max_value=99)
    day = forms.DateField(label="Fiscal day", help_text="The first one.")
    time = forms.TimeField(label="Cut-off", required=False)
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
    email = forms.EmailField(label="E-mail", required=False)
    password = forms.CharField(label="Password", widget=forms.PasswordInput, required=False)
    secret = forms.CharField(widget=forms.HiddenInput, required=False)

    def clean(self) -> dict[str, Any] | None:
        """Refuse a name, so that there is an error of the form as a whole to show."""
        values = super().clean() or {}
        if values.get("text") == "nobody":
            raise forms.ValidationError("Nobody is of that name.")
        return values


class SampleRowForm(ConsoleForm):
    """A row of a sample form."""

    code = forms.CharField(label="Product", max_length=32)
    price = FigureField(label="Price", min_value=0, decimal_places=4, places_min=3, required=False)


class SampleRows(RowsFormSet):
    """Rows of the sample form."""

    title = "Products"
    help = "Those that the site sells."
    row_name = "Product"
    add_label = "Add a product"


class SampleRowSet(rows_factory(SampleRowForm, SampleRows, rows_max=3)):  # type: ignore[misc]
    """Up to three rows."""
