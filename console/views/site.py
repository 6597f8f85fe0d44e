"""The site page: one forecourt, live."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from console.access import may_operate, site_for
from console.fragments import SiteFragment
from console.pieces import site_pieces
from ledger.models import Quarantine, Site
from ledger.selectors.attention import attention, attention_list
from ledger.selectors.days import day_summary, latest_entries, product_families, site_days
from ledger.selectors.forecourt import alarms, bays, tanks
from ledger.selectors.pace import day_by_hour, stock_forecasts
from ledger.selectors.resends import DayResend, day_resend, incomplete_days
from ledger.selectors.sites import current_days, site_state

#: The newest entries that the page shows.
LATEST_ENTRIES = 12
#: They come from this many fiscal days at most: the current one and the one before.
LATEST_DAYS = 2


def status_context(site: Site) -> dict[str, Any]:
    """Context of `_site_status.html`."""
    return {
        "site": site,
        "state": site_state(site),
        "status": getattr(site, "status", None),
        "attention": attention_list(
            attention(
                Site.objects.filter(id=site.id), quarantine=Quarantine.objects.filter(site=site)
            )
        ),
    }


def points_context(site: Site) -> dict[str, Any]:
    """Context of `_site_points.html`."""
    found = bays(site, day=current_days([site]).get(site.id))
    points = [point for bay in found for point in bay.fuelling_points]
    return {
        "site": site,
        "state": site_state(site),
        "bays": found,
        "silent": [point for point in points if point.silence],
        "families": product_families(site),
    }


def tanks_context(site: Site) -> dict[str, Any]:
    """Context of `_site_tanks.html`."""
    found = tanks(site)
    return {
        "site": site,
        "tanks": found,
        "forecasts": stock_forecasts(site, found, day=current_days([site]).get(site.id)),
        "families": product_families(site),
    }


def hours_context(site: Site) -> dict[str, Any]:
    """Context of `_site_hours.html`."""
    return {"site": site, "by_hour": day_by_hour(site, current_days([site]).get(site.id))}


def day_context(site: Site) -> dict[str, Any]:
    """Context of `_site_day.html`; `summary` is None before the site's first fiscal day."""
    day = current_days([site]).get(site.id)
    return {
        "site": site,
        "summary": day_summary(day) if day else None,
        "resend": day_resend(day) if day else DayResend(),
        "earlier": incomplete_days(site, before=day.fiscal_day) if day else [],
        "families": product_families(site),
    }


def alarms_context(site: Site) -> dict[str, Any]:
    """Context of `_site_alarms.html`."""
    found = alarms(site)
    return {
        "site": site,
        "alarms": found,
        "urgent_count": sum(alarm.is_urgent for alarm in found),
    }


def entries_context(site: Site) -> dict[str, Any]:
    """Context of `_site_entries.html`."""
    days, _ = site_days(site, limit=LATEST_DAYS)
    return {
        "site": site,
        "entries": latest_entries(site, days=days, limit=LATEST_ENTRIES),
        "families": product_families(site),
    }


SITE_FRAGMENTS = {
    fragment.name: fragment
    for fragment in (
        SiteFragment(
            name="site_status", template="console/_site_status.html", context=status_context
        ),
        SiteFragment(
            name="site_points", template="console/_site_points.html", context=points_context
        ),
        SiteFragment(name="site_tanks", template="console/_site_tanks.html", context=tanks_context),
        SiteFragment(name="site_hours", template="console/_site_hours.html", context=hours_context),
        SiteFragment(name="site_day", template="console/_site_day.html", context=day_context),
        SiteFragment(
            name="site_alarms", template="console/_site_alarms.html", context=alarms_context
        ),
        SiteFragment(
            name="site_entries", template="console/_site_entries.html", context=entries_context
        ),
    )
}


@require_GET
def site(request: HttpRequest, code: str) -> HttpResponse:
    """Show a site."""
    found = site_for(request.user, code)
    context = {
        "site": found,
        "pieces": site_pieces(SITE_FRAGMENTS, found),
        "may_operate": may_operate(request.user),
    }
    return render(request, "console/site.html", context)
