"""What a form of the console is made of. Everything it looks like is in `templates/forms/`.

    class PriceForm(ConsoleForm):
        groups = (FieldGroup(title=_("Price"), fields=("unit_price", "tax_rate")),)
        facts = {"tax_rate": Facts(unit="%"), "code": Facts(is_checked_alone=True)}

        unit_price = FigureField(label=_("Price"), min_value=0, decimal_places=4)

        def __init__(self, *args, currency, **kwargs):
            super().__init__(*args, **kwargs)
            self.facts = self.facts | {"unit_price": Facts(currency=currency, unit=_("a litre"))}

A view answers with `console.forms.answers`. Rows of equal forms: `console.forms.rows`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django import forms
from django.forms.boundfield import BoundField
from django.forms.utils import ErrorDict

from console.forms.fields import Facts, Text

#: The button that asks for one more row of a formset sends its prefix under this name.
ADD_ROW = "add_row"
#: Asks for the form with what was typed, and for no more (`console.typed`).
SHOW_AGAIN = "show_again"


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldGroup:
    """Fields that belong together under a title, in their order."""

    title: Text
    fields: Sequence[str]
    help: Text = ""


@dataclass(frozen=True, slots=True)
class BoundGroup:
    """A group with its fields as they are to be drawn; without a title: those of no group."""

    title: Text = ""
    help: Text = ""
    fields: list[BoundField] = field(default_factory=list)


if TYPE_CHECKING:
    _Form = forms.BaseForm
else:
    _Form = object


class ConsoleFormMixin(_Form):
    """Facts, groups and the values that others stored meanwhile; for any of Django's forms."""

    groups: Sequence[FieldGroup] = ()
    facts: Mapping[str, Facts] = {}
    #: Labels name what may stay empty, as most of a form may not.
    says_optional = True
    #: Where one field is checked alone; empty: the address of the page.
    check_url = ""
    #: The field that has the focus when the form appears.
    focused_field = ""
    #: The stored values by field name, set when they are no longer those that the person saw:
    #: each field then shows its own beside what was typed.
    current: Mapping[str, Any] = {}

    @property
    def is_quiet(self) -> bool:
        """Whether what was sent only asks to see the form, perhaps with another row.

        Then nothing is checked and nothing stored.
        """
        return self.is_bound and (ADD_ROW in self.data or SHOW_AGAIN in self.data)

    @property
    def errors(self) -> ErrorDict:
        """Django's, none while the form is quiet."""
        return ErrorDict(renderer=self.renderer) if self.is_quiet else super().errors

    def is_valid(self) -> bool:
        """Say whether the form can be stored."""
        return not self.is_quiet and super().is_valid()

    @property
    def field_groups(self) -> list[BoundGroup]:
        """The visible fields in their groups; first those that no group names."""
        named = {name for group in self.groups for name in group.fields}
        rest = BoundGroup(fields=[each for each in self.visible_fields() if each.name not in named])
        groups = [
            BoundGroup(
                group.title,
                group.help,
                [self[name] for name in group.fields if name in self.fields],
            )
            for group in self.groups
        ]
        return [group for group in (rest, *groups) if group.fields]


class ConsoleForm(ConsoleFormMixin, forms.Form):
    """A form of the console."""
