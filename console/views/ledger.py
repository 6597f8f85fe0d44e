"""The ledger of all sites that a person may see, summed over a period."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET
from django.views.decorators.vary import vary_on_headers

from console.access import visible_site_ids
from console.forms.filters import PeriodForm
from console.htmx import HtmxHttpRequest, wants_fragment
from ledger.selectors.totals import LedgerTotals, ledger_totals


@require_GET
@vary_on_headers("HX-Request")
def ledger(request: HtmxHttpRequest) -> HttpResponse:
    """Show the totals of a period, of all fiscal days unless one is asked for."""
    form = PeriodForm(request.GET)
    totals = LedgerTotals()
    if form.is_valid():
        totals = ledger_totals(
            site_ids=visible_site_ids(request.user),
            first_day=form.cleaned_data["first"],
            last_day=form.cleaned_data["last"],
        )
    context = {"form": form, "totals": totals, "is_swapped": wants_fragment(request)}
    template = "console/_ledger_totals.html" if wants_fragment(request) else "console/ledger.html"
    return render(request, template, context, status=200 if form.is_valid() else 422)
