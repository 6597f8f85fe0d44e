"""One ledger entry: what it says, what counts of it now, and who changed it."""

from __future__ import annotations

import datetime

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from console.access import may_operate, site_for
from console.forms.answers import has_errors
from console.forms.correction import ApprovalForm
from console.htmx import HtmxHttpRequest
from console.models import User
from console.views.approvals import proposal_of
from console.views.day import fiscal_day_for
from ledger.models import Entry
from ledger.selectors.corrections import changes, effective_entry, values_of
from ledger.selectors.days import entry_neighbours, product_families
from ledger.selectors.revisions import counted_entry, last_values, revisions


@require_GET
def entry(
    request: HtmxHttpRequest, code: str, fiscal_day: datetime.date, sequence: int
) -> HttpResponse:
    """Show all that an entry says, and its revisions."""
    return entry_answer(request, code, fiscal_day, sequence)


def entry_answer(
    request: HtmxHttpRequest,
    code: str,
    fiscal_day: datetime.date,
    sequence: int,
    *,
    decision: ApprovalForm | None = None,
) -> HttpResponse:
    """Show the page; `decision` is one on its proposal that could not be read."""
    site = site_for(request.user, code)
    day = fiscal_day_for(site, fiscal_day)
    now = effective_entry(site_id=site.pk, fiscal_day=fiscal_day, sequence=sequence)
    if now.entry is None and not now.corrections:
        raise Http404(_("The ledger has no such entry."))
    families = product_families(site)
    history = revisions(now)
    waiting = next((one for one in history if one.correction == now.proposal), None)
    # What only a proposal states is shown as the proposal, not as an entry.
    key = Entry(site=site, fiscal_day=fiscal_day, sequence=sequence)
    stated = counted_entry(now, now.entry or key) if last_values(now) else None
    previous_entry, next_entry = entry_neighbours(key)
    assert isinstance(request.user, User)
    context = {
        "site": site,
        "day": day,
        "sequence": sequence,
        "now": now,
        "entry": stated,
        "rows": changes(values_of(now.entry) if now.entry else None, last_values(now)),
        "is_corrected": now.revision > 0 and now.entry is not None and not now.is_void,
        "history": history,
        "proposal": proposal_of(request.user, waiting, families, decision) if waiting else None,
        "may_correct": may_operate(request.user),
        "families": families,
        "previous_entry": previous_entry,
        "next_entry": next_entry,
        "is_invalid": decision is not None and has_errors(decision),
    }
    status = 422 if context["is_invalid"] else 200
    return render(request, "console/entry.html", context, status=status)
