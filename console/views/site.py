"""The site page: one forecourt, live."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from console.access import may_operate, site_for
from console.fragments import SiteFragment
from console.pieces import site_pieces
from console.site_view import SiteView
from ledger.models import Quarantine, Site
from ledger.selectors.attention import attention, attention_list
from ledger.selectors.days import day_summary, latest_entries
from ledger.selectors.forecourt import alarms, bays, tanks
from ledger.selectors.pace import day_by_hour, stock_forecasts
from ledger.selectors.resends import DayResend, day_resend, incomplete_days

#: The newest entries that the page shows.
LATEST_ENTRIES = 12


def status_context(view: SiteView) -> dict[str, Any]:
    """Context of `_site_status.html`."""
    site = view.site
    return {
        "site": site,
        "state": view.state,
        "status": getattr(site, "status", None),
        "attention": attention_list(
            attention(
                Site.objects.filter(id=site.id), quarantine=Quarantine.objects.filter(site=site)
            )
        ),
    }


def points_context(view: SiteView) -> dict[str, Any]:
    """Context of `_site_points.html`."""
    found = bays(view.site, day=view.day)
    points = [point for bay in found for point in bay.fuelling_points]
    return {
        "site": view.site,
        "state": view.state,
        "bays": found,
        "silent": [point for point in points if point.silence],
        "families": view.families,
    }


def tanks_context(view: SiteView) -> dict[str, Any]:
    """Context of `_site_tanks.html`."""
    found = tanks(view.site)
    return {
        "site": view.site,
        "tanks": found,
        "forecasts": stock_forecasts(view.site, found, day=view.day, usual=view.usual),
        "families": view.families,
    }


def hours_context(view: SiteView) -> dict[str, Any]:
    """Context of `_site_hours.html`."""
    return {"site": view.site, "by_hour": day_by_hour(view.site, view.day, usual=view.usual)}


def day_context(view: SiteView) -> dict[str, Any]:
    """Context of `_site_day.html`; `summary` is None before the site's first fiscal day."""
    day = view.day
    return {
        "site": view.site,
        "summary": day_summary(day) if day else None,
        "resend": day_resend(day) if day else DayResend(),
        "earlier": incomplete_days(view.site, before=day.fiscal_day) if day else [],
        "families": view.families,
    }


def alarms_context(view: SiteView) -> dict[str, Any]:
    """Context of `_site_alarms.html`."""
    found = alarms(view.site)
    return {
        "site": view.site,
        "alarms": found,
        "urgent_count": sum(alarm.is_urgent for alarm in found),
    }


def entries_context(view: SiteView) -> dict[str, Any]:
    """Context of `_site_entries.html`."""
    return {
        "site": view.site,
        "entries": latest_entries(view.site, days=view.latest_days, limit=LATEST_ENTRIES),
        "families": view.families,
    }


#: What changes most comes first: streams send each as soon as it is rendered.
SITE_FRAGMENTS = {
    fragment.name: fragment
    for fragment in (
        SiteFragment(
            name="site_points", template="console/_site_points.html", context=points_context
        ),
        SiteFragment(
            name="site_entries", template="console/_site_entries.html", context=entries_context
        ),
        SiteFragment(
            name="site_status", template="console/_site_status.html", context=status_context
        ),
        SiteFragment(name="site_tanks", template="console/_site_tanks.html", context=tanks_context),
        SiteFragment(name="site_hours", template="console/_site_hours.html", context=hours_context),
        SiteFragment(name="site_day", template="console/_site_day.html", context=day_context),
        SiteFragment(
            name="site_alarms", template="console/_site_alarms.html", context=alarms_context
        ),
    )
}


@require_GET
def site(request: HttpRequest, code: str) -> HttpResponse:
    """Show a site."""
    found = site_for(request.user, code)
    context = {
        "site": found,
        "pieces": site_pieces(SITE_FRAGMENTS, SiteView(found)),
        "may_operate": may_operate(request.user),
    }
    return render(request, "console/site.html", context)
