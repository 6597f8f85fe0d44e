"""One ledger entry."""

from __future__ import annotations

import datetime

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from console.access import site_for
from ledger.models import Entry
from ledger.selectors.days import entry_neighbours, product_families


@require_GET
def entry(
    request: HttpRequest, code: str, fiscal_day: datetime.date, sequence: int
) -> HttpResponse:
    """Show all that an entry says."""
    site = site_for(request.user, code)
    found = Entry.objects.filter(pk=(site.id, fiscal_day, sequence)).first()
    if found is None:
        raise Http404(_("The ledger has no such entry."))
    previous_entry, next_entry = entry_neighbours(found)
    context = {
        "site": site,
        "entry": found,
        "families": product_families(site),
        "previous_entry": previous_entry,
        "next_entry": next_entry,
    }
    return render(request, "console/entry.html", context)
