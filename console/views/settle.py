"""Settling a fiscal day: close it by hand, reconcile it, propose its seal and seal it."""

from __future__ import annotations

import datetime
from collections.abc import Callable

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from console.access import (
    may_seal,
    site_for,
    site_to_seal,
    site_to_settle,
    visible_site_ids,
)
from console.forms.answers import SeeOther, done, form_answer
from console.forms.filters import DaysToSealForm
from console.forms.settle import CloseDayForm, ExplainForm
from console.htmx import HtmxHttpRequest
from console.views.day import fiscal_day_for, settling_context
from ledger.models import Explanation, FiscalDay, Site
from ledger.selectors import reconciliation as compare
from ledger.selectors import sealing
from ledger.selectors.days import product_families
from ledger.selectors.deliveries import deliveries_uncounted
from ledger.services.days import DayError, day_close
from ledger.services.sealing import (
    body_digest,
    day_seal,
    difference_explain,
    seal_obstacles,
    seal_propose,
    seal_withdraw,
)


@require_GET
def reconciliation(request: HttpRequest, code: str, fiscal_day: datetime.date) -> HttpResponse:
    """Show all that is compared in a day, what differs, and what explains it."""
    site = site_for(request.user, code)
    day = fiscal_day_for(site, fiscal_day)
    context = settling_context(request.user, day) | {
        "compared": compare.reconciliation(day),
        "families": product_families(site),
        "uncounted": deliveries_uncounted(day),
    }
    return render(request, "console/reconciliation.html", context)


@require_http_methods(["GET", "POST"])
def close_day(request: HtmxHttpRequest, code: str, fiscal_day: datetime.date) -> HttpResponse:
    """Close a day in place of the site, which did not."""
    site, person = site_to_settle(request.user, code)
    day = fiscal_day_for(site, fiscal_day)
    if request.method == "GET" and day.closed_at is not None:
        messages.info(request, _("The day is closed already."))
        return SeeOther(_page(day))
    form = CloseDayForm(request.POST or None)
    if form.is_valid():
        try:
            day_close(day=day, closed_by=person, **form.cleaned_data)
        except DayError as refusal:
            form.add_error(None, str(refusal))
        else:
            return done(request, _page(day), _("The day is closed."))
    return form_answer(
        request,
        forms=[form],
        page="console/close_day.html",
        partial="console/_close_day_form.html",
        context={"site": site, "day": day, "form": form},
    )


@require_http_methods(["GET", "POST"])
def explain(
    request: HtmxHttpRequest, code: str, fiscal_day: datetime.date, slug: str
) -> HttpResponse:
    """Write why a difference is as it is."""
    site, person = site_to_settle(request.user, code)
    day = fiscal_day_for(site, fiscal_day)
    compared = compare.reconciliation(day)
    difference = compared.find(slug)
    if difference is None:
        raise Http404(_("There is no such difference (any more)."))
    form = ExplainForm(request.POST or None, initial={"stated": difference.stated})
    if form.is_valid():
        try:
            difference_explain(
                day=day,
                subject=difference.subject,
                key=difference.key,
                difference=form.cleaned_data["stated"],
                reason=Explanation.Reason(form.cleaned_data["reason"]),
                note=form.cleaned_data["note"],
                author=person,
            )
        except DayError as refusal:
            form.add_error(None, str(refusal))
            # What is sent next speaks of the difference that is shown now.
            form.data = {**form.data, "stated": difference.stated}
        else:
            return done(request, _page(day), _("The difference is explained."))
    return form_answer(
        request,
        forms=[form],
        page="console/explain.html",
        partial="console/_explain_form.html",
        context={
            "site": site,
            "day": day,
            "form": form,
            "one": difference,
            "compared": compared,
            "families": product_families(site),
        },
    )


@require_POST
def propose_seal(request: HtmxHttpRequest, code: str, fiscal_day: datetime.date) -> HttpResponse:
    """Ask a second person to seal the day."""
    site, person = site_to_settle(request.user, code)
    day = fiscal_day_for(site, fiscal_day)
    return _act(
        request,
        day,
        lambda: seal_propose(day=day, proposed_by=person),
        _("The seal is proposed. Somebody else sets it."),
    )


@require_POST
def withdraw_seal(request: HtmxHttpRequest, code: str, fiscal_day: datetime.date) -> HttpResponse:
    """Take the proposal of a seal back."""
    site, person = site_to_settle(request.user, code)
    day = fiscal_day_for(site, fiscal_day)
    return _act(
        request,
        day,
        lambda: seal_withdraw(day=day, withdrawn_by=person),
        _("The seal is no longer proposed."),
    )


@require_http_methods(["GET", "POST"])
def seal_day(request: HtmxHttpRequest, code: str, fiscal_day: datetime.date) -> HttpResponse:
    """Show what is about to be sealed, and seal it."""
    site, person = site_to_seal(request.user, code)
    day = fiscal_day_for(site, fiscal_day)
    refusal = ""
    if request.method == "POST":
        try:
            sealed = day_seal(day=day, sealed_by=person, seen=request.POST.get("seen", ""))
        except DayError as error:
            refusal = str(error)
            day = fiscal_day_for(site, fiscal_day)
        else:
            message = _("The day is sealed as Z %(number)d.") % {"number": sealed.z_number}
            return done(request, _page(day), message)
    context = {
        "site": site,
        "day": day,
        "compared": compare.reconciliation(day),
        "obstacles": seal_obstacles(day),
        "is_own": day.seal_proposed_by_id == person.pk,
        "seen": body_digest(day),
        "refusal": refusal,
    }
    return render(request, "console/seal_day.html", context, status=422 if refusal else 200)


@require_GET
def days_to_seal(request: HttpRequest) -> HttpResponse:
    """List the closed days that are not sealed, of the sites that the person may see."""
    form = DaysToSealForm(request.GET)
    wanted = form.values.get("show", "")
    found = sealing.days_to_seal(
        site_ids=visible_site_ids(request.user),
        is_proposed={"proposed": True, "open": False}.get(wanted),
    )
    context = {"found": found, "form": form, "show": wanted, "may_seal": may_seal(request.user)}
    return render(request, "console/days_to_seal.html", context)


def _page(day: FiscalDay) -> str:
    site: Site = day.site
    return reverse("reconciliation", args=[site.code, day.fiscal_day])


def _act(
    request: HtmxHttpRequest, day: FiscalDay, act: Callable[[], object], message: str
) -> HttpResponse:
    """Do what a button asks for and go back to the reconciliation, which says how it went."""
    try:
        act()
    except DayError as refusal:
        messages.error(request, str(refusal))
        return SeeOther(_page(day))
    return done(request, _page(day), message)
