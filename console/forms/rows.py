"""Rows of equal forms, to which one adds rows and from which one takes some away.

A row is added by a button that sends the whole form and gets it back with one row more, so it
works without JavaScript and loses nothing. A row is taken away by ticking it: until the form is
stored one sees what will go.

    class ProductRows(RowsFormSet):
        title = _("Products")
        row_name = _("Product")
        add_label = _("Add a product")

    ProductRowSet = rows_factory(ProductForm, ProductRows, rows_max=20)
    rows = ProductRowSet(request.POST or None, prefix="products", initial=[...])
    if rows.is_valid():
        rows.values            # the cleaned values of the rows that stay
"""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.forms.formsets import DELETION_FIELD_NAME as _REMOVED
from django.forms.formsets import TOTAL_FORM_COUNT
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from console.forms.base import ADD_ROW, SHOW_AGAIN, ConsoleForm
from console.forms.fields import Text


class RowsFormSet(forms.BaseFormSet):
    """Rows that a person can add and take away."""

    title: Text = ""
    help: Text = ""
    row_name: Text = _("Row")
    add_label: Text = _("Add a row")
    #: Set by `rows_factory`.
    max_num: int

    def __init__(self, data: Any = None, **kwargs: Any) -> None:
        super().__init__(data, **kwargs)
        self.is_quiet = self.is_bound and (ADD_ROW in self.data or SHOW_AGAIN in self.data)
        if self.is_quiet and isinstance(data, QueryDict) and data.get(ADD_ROW) == self.prefix:
            self.data = self._with_another(data)
            if self.forms:
                self.forms[-1].focused_field = next(iter(self.forms[-1].fields))

    @property
    def is_full(self) -> bool:
        """Whether there is room for no more rows."""
        return self.total_form_count() >= self.max_num

    def is_valid(self) -> bool:
        """Say whether the rows can be stored."""
        return not self.is_quiet and super().is_valid()

    @property
    def rows(self) -> list[forms.BaseForm]:
        """The forms of the rows that stay and say something; only of valid ones."""
        return [
            form
            for form in self.forms
            if not self.is_removed(form) and (form.has_changed() or not form.empty_permitted)
        ]

    @property
    def values(self) -> list[dict[str, Any]]:
        """The cleaned values of the rows that stay and say something."""
        return [
            {name: value for name, value in form.cleaned_data.items() if name != _REMOVED}
            for form in self.rows
        ]

    def is_removed(self, form: forms.BaseForm) -> bool:
        """Say whether the row was ticked to go: what is wrong with it does not matter."""
        return bool(getattr(form, "cleaned_data", {}).get(_REMOVED))

    def add_fields(self, form: forms.BaseForm, index: int | None) -> None:
        """Django's, in our words."""
        super().add_fields(form, index)
        form.fields[_REMOVED].label = _("Remove")

    def _with_another(self, data: QueryDict) -> QueryDict:
        """Return the data of one more row, which is empty; none beyond the most there may be."""
        more = data.copy()
        count = min(self.total_form_count() + 1, max(self.max_num, self.total_form_count()))
        more[f"{self.prefix}-{TOTAL_FORM_COUNT}"] = str(count)
        # The count was read already; Django keeps it.
        del self.management_form
        return more


def rows_factory(
    form: type[ConsoleForm], formset: type[RowsFormSet], *, rows_max: int, rows_min: int = 0
) -> type[RowsFormSet]:
    """Return the class for rows of a form: up to `rows_max`, no empty ones unless `rows_min`."""
    made = forms.formset_factory(
        form,
        formset=formset,
        extra=0,
        can_delete=True,
        min_num=rows_min,
        validate_min=bool(rows_min),
        max_num=rows_max,
        validate_max=True,
        absolute_max=rows_max + 1,
    )
    return cast("type[RowsFormSet]", made)
