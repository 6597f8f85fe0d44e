"""Forms that narrow a page down. They come by GET.

What cannot be read is left out, and the page says so (`templates/console/_filter_refused.html`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django import forms
from django.db.models import TextChoices
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from console.parameters import ID_MAX, number_asked
from ledger.models import Kind, Quarantine
from ledger.selectors.attention import Topic
from ledger.selectors.audit import ACTION_NAMES, AuditFilter
from ledger.selectors.days import EntryFilter
from ledger.selectors.quarantine import Age, QuarantineFilter
from ledger.selectors.sites import SiteState
from ledger.topics import Lane

SEQUENCE_MAX = 2_147_483_647
#: The longest period that a report, an export or a filter may be of.
PERIOD_YEARS_MAX = 10
PERIOD_DAYS_MAX = PERIOD_YEARS_MAX * 366
#: Asks for quarantined messages whatever became of them.
ANY_OUTCOME = "any"
FUELLING_POINT_MAX = 32_767
#: Asks for the sites that need attention for whatever reason.
ANY_TOPIC = "any"


class FilterForm(forms.Form):
    """A form whose `values` are what could be read; the rest is at its default.

    `places` are the parameters by which links say where in a long list a page begins.
    """

    places: ClassVar[tuple[str, ...]] = ()

    @property
    def values(self) -> dict[str, Any]:
        """The cleaned values of the fields without errors."""
        self.is_valid()
        return self.cleaned_data

    def place(self, name: str, *, most: int = ID_MAX) -> int | None:
        """Return where the page begins, one of `places`; None for the start of the list."""
        assert name in self.places
        return number_asked(self.data, name, most=most)

    @property
    def has_lost_place(self) -> bool:
        """Whether it was asked for a place that cannot be read."""
        return any(self.data.get(name) and self.place(name) is None for name in self.places)


class SiteOrder(TextChoices):
    """The order in which the network page lists sites."""

    URGENCY = "", _("Most urgent")
    CODE = "code", _("Code")
    LITRES = "litres", _("Most litres first")


class SiteFilterForm(FilterForm):
    """Which sites the network page lists, and in which order."""

    places = ("page",)

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
        """Refuse a period that ends before it begins, and one that is longer than any ledger."""
        values = super().clean() or {}
        first, last = values.get("first"), values.get("last")
        if first and last and last < first:
            self.add_error("last", _("This day is before the first one."))
        elif first and ((last or timezone.now().date()) - first).days >= PERIOD_DAYS_MAX:
            message = _(
                "A period has at most %(max)s years. Choose a later day, or none for all there is."
            )
            params = {"max": PERIOD_YEARS_MAX}
            self.add_error("first", forms.ValidationError(message, params=params))
        return values


class EntryFilterForm(FilterForm):
    """Which entries of a day to list."""

    places = ("before", "after")

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


class DaysBeforeForm(FilterForm):
    """From which fiscal day on a site's days are listed, backwards."""

    before = forms.DateField(label=_("Before"), required=False)


class DaysToSealForm(FilterForm):
    """Which of the closed days that are not sealed to list."""

    show = forms.ChoiceField(
        label=_("Which days"),
        required=False,
        choices=[("", _("All")), ("open", _("To be reconciled")), ("proposed", _("Proposed"))],
    )


class QuarantineFilterForm(FilterForm):
    """Which quarantined messages to list: those that wait, unless said otherwise."""

    places = ("before",)

    text = forms.CharField(label=_("Find"), required=False, max_length=80)
    reason = forms.ChoiceField(
        label=_("Reason"),
        required=False,
        choices=[("", _("Any reason")), *Quarantine.Reason.choices],
    )
    site = forms.CharField(label=_("Site's code"), required=False, max_length=32)
    lane = forms.ChoiceField(
        label=_("Topic"), required=False, choices=[("", _("Any topic")), *Lane.choices]
    )
    age = forms.ChoiceField(
        label=_("Last received"), required=False, choices=[("", _("At any time")), *Age.choices]
    )
    outcome = forms.ChoiceField(
        label=_("Outcome"),
        required=False,
        choices=[*Quarantine.Outcome.choices, (ANY_OUTCOME, _("Any outcome"))],
    )

    def only(self, *, last_id: int | None = None) -> QuarantineFilter:
        """What the form asks for."""
        values = {name: value for name, value in self.values.items() if value}
        if values.get("outcome") == ANY_OUTCOME:
            values["outcome"] = ""
        return QuarantineFilter(last_id=last_id, **values)

    @property
    def is_narrowed(self) -> bool:
        """Whether it asks for less than all that wait."""
        return any(value for name, value in self.values.items() if value != "waiting")


class AuditFilterForm(PeriodForm):
    """Which audit events to list."""

    places = ("before",)

    text = forms.CharField(label=_("Find"), required=False, max_length=80)
    person = forms.CharField(label=_("Who"), required=False, max_length=150)
    action = forms.ChoiceField(
        label=_("What"), required=False, choices=[("", _("Anything")), *ACTION_NAMES.items()]
    )
    site = forms.CharField(label=_("Site's code"), required=False, max_length=32)
    fiscal_day = forms.DateField(label=_("Fiscal day"), required=False)
    sequence = forms.IntegerField(
        label=_("Entry"), required=False, min_value=1, max_value=SEQUENCE_MAX
    )

    # No site's days, and the server does not know the reader's.
    first = forms.DateField(label=_("From (UTC)"), required=False)
    last = forms.DateField(label=_("To (UTC)"), required=False)

    field_order = ("text", "person", "action", "site", "fiscal_day", "sequence", "first", "last")

    @property
    def only(self) -> AuditFilter:
        """What the form asks for."""
        return AuditFilter(**{name: value for name, value in self.values.items() if value})


class ProposalFilterForm(FilterForm):
    """Whose proposals to list: `sites` are the labels of those that have some, by code."""

    code = forms.ChoiceField(label=_("Site"), required=False)

    def __init__(self, *args: Any, sites: Mapping[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [("", _("All sites")), *sites.items()]
        self.fields["code"] = forms.ChoiceField(label=_("Site"), required=False, choices=choices)
