"""A fiscal day, and the list of a site's fiscal days."""

from __future__ import annotations

import contextlib
import datetime

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET
from django.views.decorators.vary import vary_on_headers

from console.access import site_for
from console.forms.filters import EntryFilterForm
from console.htmx import HtmxHttpRequest, wants_fragment
from ledger.models import FiscalDay, Site
from ledger.selectors.days import (
    day_entries,
    day_neighbours,
    day_readings,
    day_summary,
    product_families,
    site_days,
    turnover_of_days,
)

SEQUENCE_MAX = 2_147_483_647


@require_GET
@vary_on_headers("HX-Request")
def day(request: HtmxHttpRequest, code: str, fiscal_day: datetime.date) -> HttpResponse:
    """Show a fiscal day, or only its entries when htmx narrows them down or turns the page."""
    site = site_for(request.user, code)
    found = fiscal_day_for(site, fiscal_day)
    summary = day_summary(found)
    products = sorted({row.product for row in summary.kinds})
    form = EntryFilterForm(request.GET, products=products)
    context = {
        "site": site,
        "day": found,
        "summary": summary,
        "families": product_families(site),
        "form": form,
        "entry_page": day_entries(
            found,
            only=form.entry_filter,
            before=_sequence(request, "before"),
            after=_sequence(request, "after"),
        ),
        "is_filtered": any(form.values.values()),
    }
    if wants_fragment(request):
        return render(request, "console/_day_entries.html", context)
    context["previous_day"], context["next_day"] = day_neighbours(found)
    context["dips"], context["totalizers"] = day_readings(found)
    return render(request, "console/day.html", context)


@require_GET
def days(request: HttpRequest, code: str) -> HttpResponse:
    """List a site's fiscal days, newest first."""
    site = site_for(request.user, code)
    before = None
    with contextlib.suppress(ValueError):
        before = datetime.date.fromisoformat(request.GET.get("before", ""))
    found, next_before = site_days(site, before=before)
    turnover = turnover_of_days(found)
    context = {
        "site": site,
        "rows": [(day, turnover.get((day.site_id, day.fiscal_day))) for day in found],
        "before": before,
        "next_before": next_before,
    }
    return render(request, "console/days.html", context)


def fiscal_day_for(site: Site, fiscal_day: datetime.date) -> FiscalDay:
    """Return the site's fiscal day; Http404 when it has none of that date."""
    found = FiscalDay.objects.filter(pk=(site.id, fiscal_day)).first()
    if found is None:
        raise Http404(_("The site has no such fiscal day."))
    return found


def _sequence(request: HttpRequest, name: str) -> int | None:
    with contextlib.suppress(ValueError):
        return min(max(int(request.GET.get(name, "")), 0), SEQUENCE_MAX)
    return None
