"""What arrived and the ledger did not take."""

from __future__ import annotations

import contextlib

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET
from django.views.decorators.vary import vary_on_headers

from console.access import visible_quarantine
from console.forms.filters import QuarantineFilterForm
from console.htmx import HtmxHttpRequest, wants_fragment
from ledger.selectors.ingest import RAW_SHOWN_BYTES_MAX, quarantine_page, quarantine_waiting

ID_MAX = 2**63 - 1


@require_GET
@vary_on_headers("HX-Request")
def quarantine(request: HtmxHttpRequest) -> HttpResponse:
    """List quarantined messages, newest first."""
    messages = visible_quarantine(request.user)
    form = QuarantineFilterForm(request.GET)
    reason = form.values.get("reason", "")
    context = {
        "form": form,
        "reason": reason,
        "quarantine_page": quarantine_page(messages, reason=reason, before=_before(request)),
        "waiting": quarantine_waiting(messages),
        "raw_shown_bytes_max": RAW_SHOWN_BYTES_MAX,
    }
    if wants_fragment(request):
        return render(request, "console/_quarantine_list.html", context)
    return render(request, "console/quarantine.html", context)


def _before(request: HttpRequest) -> int | None:
    with contextlib.suppress(ValueError):
        return min(max(int(request.GET.get("before", "")), 0), ID_MAX)
    return None
