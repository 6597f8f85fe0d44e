"""The register of sites, and what a site is and what stands on its forecourt."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from console.access import (
    ADMINISTRATION_ROLES,
    EQUIPMENT_ROLES,
    has_role,
    person_with,
    site_for,
    visible_sites,
)
from console.forms.answers import done, field_check, form_answer
from console.forms.filters import SiteFilterForm
from console.forms.meanwhile import SEEN, events_since, form_meanwhile, last_seen, rows_meanwhile
from console.forms.setup import SiteForm, setup_rows
from console.htmx import HtmxHttpRequest
from ledger.models import AuditEvent
from ledger.selectors.setup import has_ledger, site_details, site_groups, version_of
from ledger.selectors.sites import site_search
from ledger.services.setup import (
    ChangedMeanwhileError,
    InUseError,
    site_create,
    site_groups_update,
    site_update,
)

SITES_PER_PAGE = 50
#: The pages of a site's forecourt and the groups that each of them edits.
EQUIPMENT = {
    "products": ("products",),
    "tanks": ("tanks",),
    "points": ("fuelling_points", "nozzles"),
}


@require_GET
def sites(request: HtmxHttpRequest) -> HttpResponse:
    """List the registered sites that the person may see."""
    form = SiteFilterForm(request.GET)
    text = form.values.get("q", "")
    found = site_search(visible_sites(request.user), text=text).order_by("code")
    context = {
        "form": form,
        "text": text,
        "page": Paginator(found, SITES_PER_PAGE).get_page(form.place("page") or 1),
        "may_administer": has_role(request.user, ADMINISTRATION_ROLES),
        "may_equip": has_role(request.user, EQUIPMENT_ROLES),
    }
    return render(request, "console/sites.html", context)


@require_http_methods(["GET", "POST"])
def site_new(request: HtmxHttpRequest) -> HttpResponse:
    """Register a site."""
    person = person_with(request.user, ADMINISTRATION_ROLES)
    initial = {"timezone": "Europe/London", "currency": "GBP"}
    form = SiteForm(request.POST or None, initial=initial)
    if answer := field_check(request, form):
        return answer
    if form.is_valid():
        values = dict(form.cleaned_data)
        site = site_create(code=values.pop("code"), values=values, actor=person)
        url = reverse("site_equipment", args=[site.code, "products"])
        return done(request, url, _("%(site)s is registered.") % {"site": site.name})
    return _answer(request, "console/site_new.html", {"form": form})


@require_http_methods(["GET", "POST"])
def site_setup(request: HtmxHttpRequest, code: str) -> HttpResponse:
    """Change what a site is."""
    site = site_for(request.user, code)
    person = person_with(request.user, ADMINISTRATION_ROLES)
    events = AuditEvent.objects.filter(site=site, fiscal_day=None, action="site.changed")
    seen = last_seen(events)
    stored = site_details(site)
    form = SiteForm(request.POST or None, initial=stored, site=site, has_ledger=has_ledger(site))
    if answer := field_check(request, form):
        return answer
    context = {"form": form, "site": site, "part": "details"}
    context |= {"version": version_of(stored), "seen": seen}
    if form.is_valid():
        try:
            site_update(
                site=site,
                values=form.cleaned_data,
                version=request.POST.get("version", ""),
                actor=person,
            )
        except ChangedMeanwhileError:
            since = events_since(events, request.POST.get(SEEN, ""))
            context["is_conflict"] = True
            context["meanwhile"] = form_meanwhile(since, form, stored)
        except InUseError:
            context["is_in_use"] = True
        else:
            return done(request, request.path, _("Saved."))
    return _answer(request, "console/site_setup.html", context)


@require_http_methods(["GET", "POST"])
def site_equipment(request: HtmxHttpRequest, code: str, part: str) -> HttpResponse:
    """Change what a site sells, or what stands on its forecourt."""
    site = site_for(request.user, code)
    person = person_with(request.user, EQUIPMENT_ROLES)
    if part not in EQUIPMENT:
        raise Http404
    actions = [f"site.{name}_changed" for name in EQUIPMENT[part]]
    events = AuditEvent.objects.filter(site=site, fiscal_day=None, action__in=actions)
    seen = last_seen(events)
    stored = site_groups(site, *EQUIPMENT[part])
    rows = {
        name: setup_rows(site, name, request.POST or None, stored=values)
        for name, values in stored.items()
    }
    context: dict[str, Any] = {"site": site, "rows": list(rows.values()), "part": part}
    context |= {"version": version_of(stored), "seen": seen}
    if all([each.is_valid() for each in rows.values()]):  # noqa: C419 each shows its faults
        try:
            site_groups_update(
                site=site,
                groups={name: each.values for name, each in rows.items()},
                version=request.POST.get("version", ""),
                actor=person,
            )
        except ChangedMeanwhileError:
            since = events_since(events, request.POST.get(SEEN, ""))
            context["is_conflict"] = True
            context["meanwhile"] = rows_meanwhile(since, rows.values())
            context["lacking"] = [
                word for name, each in rows.items() for word in each.show_stored(stored[name])
            ]
        except InUseError:
            context["is_in_use"] = True
        else:
            return done(request, request.path, _("Saved."))
    return _answer(request, "console/site_equipment.html", context)


def _answer(request: HtmxHttpRequest, page: str, context: dict[str, Any]) -> HttpResponse:
    found = [context["form"]] if "form" in context else context["rows"]
    site = context.get("site")
    if site and not has_role(request.user, EQUIPMENT_ROLES):
        raise PermissionDenied
    return form_answer(
        request,
        forms=found,
        page=page,
        partial="console/_setup_form.html",
        context={**context, "may_administer": has_role(request.user, ADMINISTRATION_ROLES)},
        is_refused=bool(context.get("is_conflict") or context.get("is_in_use")),
    )
