"""A fiscal day, and the list of a site's fiscal days."""

from __future__ import annotations

import contextlib
import datetime
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET
from django.views.decorators.vary import vary_on_headers

from console.access import may_operate, may_seal, may_settle, site_for
from console.forms.filters import EntryFilterForm
from console.fragments import DayFragment
from console.htmx import HtmxHttpRequest, wants_fragment
from console.models import User
from console.pieces import day_pieces
from ledger.models import FiscalDay, Site
from ledger.selectors.days import (
    day_entries,
    day_neighbours,
    day_products,
    day_readings,
    day_summary,
    product_families,
    site_days,
    turnover_of_days,
)
from ledger.selectors.pace import day_by_hour
from ledger.selectors.resends import day_resend
from ledger.selectors.revisions import entry_rows
from ledger.selectors.sealing import first_unsealed

SEQUENCE_MAX = 2_147_483_647


def state_context(day: FiscalDay) -> dict[str, Any]:
    """Context of `_day_state.html`."""
    return {
        "site": day.site,
        "day": day,
        "summary": day_summary(day),
        "resend": day_resend(day),
        "by_hour": day_by_hour(day.site, day),
        "families": product_families(day.site),
    }


def settling_context(user: User | AnonymousUser, day: FiscalDay) -> dict[str, Any]:
    """Context of `_day_settling.html`: how far the day is, and what the person may do about it.

    `compared` is for the page that has compared the day anyway.
    """
    return {
        "site": day.site,
        "day": day,
        "compared": None,
        "earlier": first_unsealed(day.site_id, before=day.fiscal_day),
        "may_settle": may_settle(user),
        "may_seal": may_seal(user),
    }


#: One piece, because its parts are one statement: what is missing, and what there is without it.
DAY_FRAGMENTS = {
    fragment.name: fragment
    for fragment in (
        DayFragment(name="day_state", template="console/_day_state.html", context=state_context),
    )
}


@require_GET
@vary_on_headers("HX-Request")
def day(request: HtmxHttpRequest, code: str, fiscal_day: datetime.date) -> HttpResponse:
    """Show a fiscal day, or only its entries when htmx narrows them down or turns the page."""
    site = site_for(request.user, code)
    found = fiscal_day_for(site, fiscal_day)
    form = EntryFilterForm(request.GET, products=day_products(found))
    entry_page = day_entries(
        found,
        only=form.entry_filter,
        before=_sequence(request, "before"),
        after=_sequence(request, "after"),
    )
    context = {
        "site": site,
        "day": found,
        "families": product_families(site),
        "form": form,
        "entry_page": entry_page,
        "rows": entry_rows(found, entry_page.entries),
        "is_filtered": any(value not in (None, "", False) for value in form.values.values()),
        "may_operate": may_operate(request.user),
    }
    if wants_fragment(request):
        return render(request, "console/_day_entries.html", context)
    context |= settling_context(request.user, found)
    context["pieces"] = day_pieces(DAY_FRAGMENTS, found)
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
    people = ("closed_by", "seal_proposed_by", "sealed_by")
    days = FiscalDay.objects.select_related("site", *people)
    found = days.filter(pk=(site.id, fiscal_day)).first()
    if found is None:
        raise Http404(_("The site has no such fiscal day."))
    return found


def _sequence(request: HttpRequest, name: str) -> int | None:
    with contextlib.suppress(ValueError):
        return min(max(int(request.GET.get(name, "")), 0), SEQUENCE_MAX)
    return None
