"""A fiscal day, and the list of a site's fiscal days."""

from __future__ import annotations

import datetime
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET
from django.views.decorators.vary import vary_on_headers

from console.access import may_operate, may_seal, may_settle, site_for
from console.day_view import DayView
from console.forms.filters import DaysBeforeForm, EntryFilterForm
from console.fragments import DayFragment
from console.htmx import HtmxHttpRequest, wants_fragment
from console.models import User
from console.pieces import day_pieces
from ledger.models import FiscalDay, Site
from ledger.plausible import Span, plausible_span
from ledger.selectors.days import (
    day_entries,
    day_neighbours,
    day_readings,
    day_summary,
    site_days,
)
from ledger.selectors.figures import turnover_of_days
from ledger.selectors.pace import day_by_hour
from ledger.selectors.resends import day_resend
from ledger.selectors.revisions import entry_rows
from ledger.selectors.sealing import first_unsealed

SEQUENCE_MAX = 2_147_483_647
#: Whom the pages of a day name.
DAY_PEOPLE = ("closed_by", "seal_proposed_by", "sealed_by")


def head_context(view: DayView) -> dict[str, Any]:
    """Context of `_day_head.html`."""
    previous_day, next_day = day_neighbours(view.day)
    return {
        "site": view.day.site,
        "day": view.day,
        "previous_day": previous_day,
        "next_day": next_day,
    }


def state_context(view: DayView) -> dict[str, Any]:
    """Context of `_day_state.html`."""
    day = view.day
    return {
        "site": day.site,
        "day": day,
        "summary": day_summary(day),
        "resend": day_resend(day),
        "by_hour": day_by_hour(day.site, day),
        "families": view.families,
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
        "user": user,
        "may_settle": may_settle(user),
        "may_seal": may_seal(user),
    }


def readings_context(view: DayView) -> dict[str, Any]:
    """Context of `_day_readings.html`."""
    dips, totalizers = day_readings(view.day)
    return {
        "site": view.day.site,
        "dips": dips,
        "totalizers": totalizers,
        "families": view.families,
    }


def entries_context(view: DayView, query: QueryDict | None = None) -> dict[str, Any]:
    """Context of `_day_entries.html`; without a query the newest of all entries."""
    query = QueryDict() if query is None else query
    day = view.day
    form = EntryFilterForm(query, products=view.products)
    entry_page = day_entries(
        day,
        only=form.entry_filter,
        before=form.place("before", most=SEQUENCE_MAX),
        after=form.place("after", most=SEQUENCE_MAX),
    )
    return {
        "site": day.site,
        "day": day,
        "families": view.families,
        "form": form,
        "entry_page": entry_page,
        "rows": entry_rows(day, entry_page.entries),
        "is_filtered": any(value not in (None, "", False) for value in form.values.values()),
        "may_operate": may_operate(view.user),
    }


#: What changes most comes first: streams send each as soon as it is rendered.
DAY_FRAGMENTS = {
    fragment.name: fragment
    for fragment in (
        # One piece, because its parts are one statement: what is missing, and what there is.
        DayFragment(name="day_state", template="console/_day_state.html", context=state_context),
        DayFragment(
            name="day_entries", template="console/_day_entries.html", context=entries_context
        ),
        DayFragment(name="day_head", template="console/_day_head.html", context=head_context),
        DayFragment(
            name="day_settling",
            template="console/_day_settling.html",
            context=lambda view: settling_context(view.user, view.day),
        ),
        DayFragment(
            name="day_readings", template="console/_day_readings.html", context=readings_context
        ),
    )
}


@require_GET
@vary_on_headers("HX-Request")
def day(request: HtmxHttpRequest, code: str, fiscal_day: datetime.date) -> HttpResponse:
    """Show a fiscal day, or only its entries when htmx narrows them down or turns the page."""
    site = site_for(request.user, code)
    found = fiscal_day_for(site, fiscal_day)
    view = DayView(found, request.user)
    # The stream brings the newest of all entries, and no others.
    is_live = not any(request.GET.values())
    span = plausible_span(site, timezone.now())
    context = {
        "site": site,
        "day": found,
        "is_live": is_live,
        "span": None if span.holds(fiscal_day) else span,
    }
    if is_live:
        context["form"] = EntryFilterForm(request.GET, products=view.products)
        context["may_operate"] = may_operate(request.user)
    else:
        context |= entries_context(view, request.GET)
    fragments = {
        name: fragment
        for name, fragment in DAY_FRAGMENTS.items()
        if is_live or name != "day_entries"
    }
    if wants_fragment(request):
        fragments = {name: fragments[name] for name in fragments if name == "day_entries"}
        context["pieces"] = day_pieces(fragments, view)
        return render(request, "console/_day_list.html", context)
    context["pieces"] = day_pieces(fragments, view)
    return render(request, "console/day.html", context)


@require_GET
def days(request: HttpRequest, code: str) -> HttpResponse:
    """List a site's fiscal days, newest first."""
    site = site_for(request.user, code)
    form = DaysBeforeForm(request.GET)
    before = form.values.get("before")
    found, next_before = site_days(site, before=before)
    turnover = turnover_of_days(site_id=site.pk, fiscal_days=[day.fiscal_day for day in found])
    span = plausible_span(site, timezone.now())
    newest = None if before else next((day for day in found if span.holds(day.fiscal_day)), None)
    context = {
        "site": site,
        "form": form,
        "rows": [
            (
                day,
                turnover.get(day.fiscal_day),
                _status_of(day, span, is_newest=day == newest),
            )
            for day in found
        ],
        "before": before,
        "next_before": next_before,
    }
    return render(request, "console/days.html", context)


def _status_of(day: FiscalDay, span: Span, *, is_newest: bool) -> str:
    """Return how a listed day stands, beside its own status: a code that the page has words for."""
    if not span.holds(day.fiscal_day):
        return "impossible"
    if day.seal_proposed_at and not day.sealed_at:
        return "seal_proposed"
    return "own" if day.closed_at or is_newest else "not_closed"


def fiscal_day_for(site: Site, fiscal_day: datetime.date) -> FiscalDay:
    """Return the site's fiscal day; Http404 when it has none of that date."""
    days = FiscalDay.objects.select_related("site", *DAY_PEOPLE)
    found = days.filter(pk=(site.id, fiscal_day)).first()
    if found is None:
        raise Http404(_("The site has no such fiscal day."))
    return found
