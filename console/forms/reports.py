"""Which report is wanted."""

from __future__ import annotations

import datetime
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from console.forms.filters import FilterForm, PeriodForm
from ledger.models import FiscalDay, Site

#: How many sites one report may name; all sites is asked for by naming none.
SITES_NAMED_MAX = 500


class ReportPeriodForm(PeriodForm):
    """A period and the sites of a report, all that the person sees if none is named."""

    sites = forms.CharField(
        label=_("Sites"),
        required=False,
        max_length=SITES_NAMED_MAX * 33,
        help_text=_("Codes with commas between; none means all that you see"),
    )

    def __init__(self, *args: Any, visible: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._visible = visible

    def clean_sites(self) -> list[Site] | None:
        """Return the named sites, None where none is named. A site that is not seen is unknown."""
        codes = {code for code in self.cleaned_data["sites"].replace(",", " ").split() if code}
        if not codes:
            return None
        if len(codes) > SITES_NAMED_MAX:
            raise forms.ValidationError(
                _("At most %(max)s sites."), params={"max": SITES_NAMED_MAX}
            )
        found = list(self._visible.filter(code__in=codes))
        unknown = sorted(codes - {site.code for site in found})
        if unknown:
            message = ngettext(
                "You see no site %(codes)s.", "You see no sites %(codes)s.", len(unknown)
            )
            raise forms.ValidationError(message, params={"codes": ", ".join(unknown[:10])})
        return found


class _OneSiteForm(FilterForm):
    """The code of one of the sites that are `visible` to the person."""

    site = forms.CharField(label=_("Site code"), max_length=32)

    def __init__(self, *args: Any, visible: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._visible = visible

    def clean_site(self) -> Site:
        """Return the site."""
        site: Site | None = self._visible.filter(code=self.cleaned_data["site"].strip()).first()
        if site is None:
            raise forms.ValidationError(_("You see no site of this code."))
        return site


class StockPeriodForm(_OneSiteForm, PeriodForm):
    """A period and the one site of a wet-stock trend."""


class DayReportForm(_OneSiteForm):
    """The fiscal day of a site whose X or Z report is wanted."""

    field_order = ("fiscal_day", "site")

    fiscal_day = forms.DateField(label=_("Fiscal day"))

    def clean(self) -> dict[str, Any]:
        """Refuse a day that the site does not have."""
        values = super().clean() or {}
        site, date = values.get("site"), values.get("fiscal_day")
        if site and date and not FiscalDay.objects.filter(site=site, fiscal_day=date).exists():
            self.add_error("fiscal_day", _("The site has no such fiscal day."))
        return values


def default_period(today: datetime.date) -> dict[str, str]:
    """Return the period of a report that nobody chose one for: this month until today."""
    return {"first": today.replace(day=1).isoformat(), "last": today.isoformat()}
