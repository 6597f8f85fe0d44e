"""Forms that narrow a page down. They come by GET, and what cannot be read is left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _

from ledger.models import Kind, Quarantine
from ledger.selectors.attention import Topic
from ledger.selectors.days import EntryFilter
from ledger.selectors.sites import SiteState

FUELLING_POINT_MAX = 32_767
#: Asks for the sites that need attention for whatever reason.
ANY_TOPIC = "any"


class FilterForm(forms.Form):
    """A form whose `values` are what could be read; the rest is at its default."""

    @property
    def values(self) -> dict[str, Any]:
        """The cleaned values of the fields without errors."""
        self.is_valid()
        return self.cleaned_data


class SiteOrder(TextChoices):
    """The order in which the network page lists sites."""

    URGENCY = "", _("Most urgent first")
    CODE = "code", _("Code")
    LITRES = "litres", _("Most litres first")


class SiteFilterForm(FilterForm):
    """Which sites the network page lists, and in which order."""

    q = forms.CharField(label=_("Find a site"), required=False, max_length=80)
    state = forms.ChoiceField(
        label=_("State"), required=False, choices=[("", _("Any state")), *SiteState.choices]
    )
    topic = forms.ChoiceField(
        label=_("Attention"),
        required=False,
        choices=[
            ("", _("With or without")),
            (ANY_TOPIC, _("Anything amiss")),
            *(choice for choice in Topic.choices if choice[0] != Topic.INGEST),
        ],
    )
    sort = forms.ChoiceField(label=_("Order"), required=False, choices=SiteOrder.choices)


class PeriodForm(FilterForm):
    """A period of fiscal days, both ends included; an open end has no limit."""

    first = forms.DateField(label=_("From"), required=False)
    last = forms.DateField(label=_("To"), required=False)

    def clean(self) -> dict[str, Any] | None:
        """Refuse a period that ends before it begins."""
        values = super().clean() or {}
        first, last = values.get("first"), values.get("last")
        if first and last and last < first:
            self.add_error("last", _("This day is before the first one."))
        return values


class EntryFilterForm(FilterForm):
    """Which entries of a day to list."""

    kind = forms.TypedChoiceField(
        label=_("Kind"),
        required=False,
        coerce=int,
        empty_value=None,
        choices=[("", _("Any kind")), *Kind.choices],
    )
    product = forms.ChoiceField(label=_("Product"), required=False)
    fuelling_point = forms.IntegerField(
        label=_("Fuelling point"), required=False, min_value=0, max_value=FUELLING_POINT_MAX
    )
    flagged = forms.BooleanField(label=_("Flagged only"), required=False)

    def __init__(self, *args: Any, products: list[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [("", _("Any product")), *((product, product) for product in products)]
        self.fields["product"] = forms.ChoiceField(
            label=_("Product"), required=False, choices=choices
        )

    @property
    def entry_filter(self) -> EntryFilter:
        """What the form asks for."""
        values = self.values
        return EntryFilter(
            flagged=values.get("flagged", False),
            kind=values.get("kind"),
            product=values.get("product", ""),
            fuelling_point=values.get("fuelling_point"),
        )


class QuarantineFilterForm(FilterForm):
    """Which quarantined messages to list."""

    reason = forms.ChoiceField(
        label=_("Reason"),
        required=False,
        choices=[("", _("Any reason")), *Quarantine.Reason.choices],
    )


class ProposalFilterForm(FilterForm):
    """Whose proposals to list: `sites` are the labels of those that have some, by code."""

    code = forms.ChoiceField(label=_("Site"), required=False)

    def __init__(self, *args: Any, sites: Mapping[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [("", _("All sites")), *sites.items()]
        self.fields["code"] = forms.ChoiceField(label=_("Site"), required=False, choices=choices)
