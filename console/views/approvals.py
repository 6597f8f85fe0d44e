"""Corrections that wait for a second person, and what became of the latest ones."""

from __future__ import annotations

import datetime
import functools
import operator
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST

from console.access import may_approve, may_operate, visible_site_ids, visible_sites
from console.forms.answers import SeeOther, has_errors
from console.forms.correction import ApprovalForm
from console.forms.filters import ProposalFilterForm
from console.htmx import HtmxHttpRequest
from console.models import User
from ledger.models import Correction
from ledger.selectors.corrections import proposals
from ledger.selectors.days import families_of_sites
from ledger.selectors.effects import EffectRow, moved_rows
from ledger.selectors.revisions import Revision, proposal_revisions
from ledger.services.corrections import (
    CorrectionError,
    correction_approve,
    correction_reject,
    correction_withdraw,
    corrections_approve,
)

#: The page lists this many proposals, the oldest first; more are counted and said.
PROPOSALS_MAX = 100
#: How many of the latest decisions the page shows.
DECIDED_MAX = 20
#: How many proposals are approved at once; as many as the page lists.
CHOSEN_MAX = PROPOSALS_MAX


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A proposal as the person sees it: what it changes and moves, and what they may do."""

    revision: Revision
    moved: list[EffectRow]
    form: ApprovalForm
    families: dict[str, str] = field(default_factory=dict)
    may_decide: bool = False
    may_withdraw: bool = False

    @property
    def key(self) -> str:
        """What names it in a form."""
        return correction_key(self.revision.correction)


def correction_key(correction: Correction) -> str:
    """Return what names a correction in a form: CODE/2026-11-22/17/1."""
    return "/".join(
        str(part)
        for part in (
            correction.site.code,
            correction.fiscal_day.isoformat(),
            correction.sequence,
            correction.revision,
        )
    )


def proposal_of(
    user: User,
    revision: Revision,
    families: dict[str, str],
    form: ApprovalForm | None = None,
) -> Proposal:
    """Return a proposal with what the person may do about it. No query.

    `families` are those of the site's products by code.
    """
    correction = revision.correction
    is_own = correction.author_id == user.pk
    return Proposal(
        revision=revision,
        families=families,
        moved=moved_rows([(revision.before, revision.after)]),
        form=form or ApprovalForm(auto_id=f"id_%s_{correction_key(correction).replace('/', '-')}"),
        may_decide=may_approve(user) and not is_own,
        may_withdraw=is_own and may_operate(user),
    )


@require_http_methods(["GET", "POST"])
def approvals(request: HtmxHttpRequest) -> HttpResponse:
    """List what waits; approve those that are ticked."""
    if request.method == "POST":
        return _approve_chosen(request)
    return approvals_answer(request)


def approvals_answer(
    request: HtmxHttpRequest, *, refused: tuple[str, ApprovalForm] | None = None
) -> HttpResponse:
    """Show the page; `refused` is a decision that could not be read, by the proposal's key."""
    assert isinstance(request.user, User)
    sites = {
        site.code: site
        for site in visible_sites(request.user)
        .filter(pk__in=proposals(site_ids=None).order_by().values("site"))
        .order_by("code")
    }
    filter_form = ProposalFilterForm(
        request.GET, sites={code: str(site) for code, site in sites.items()}
    )
    site = sites.get(filter_form.values.get("code", ""))
    site_ids = visible_site_ids(request.user) if site is None else frozenset({site.pk})
    waiting = list(proposals(site_ids=site_ids)[: PROPOSALS_MAX + 1])
    listed = proposal_revisions(waiting[:PROPOSALS_MAX])
    key, form = refused or ("", None)
    families = families_of_sites({one.correction.site_id for one in listed})
    rows = [
        proposal_of(
            request.user,
            one,
            families.get(one.correction.site_id, {}),
            form if correction_key(one.correction) == key else None,
        )
        for one in listed
    ]
    context = {
        "form": filter_form,
        "rows": rows,
        "is_cut": len(waiting) > PROPOSALS_MAX,
        "most": PROPOSALS_MAX,
        "decidable_count": sum(row.may_decide for row in rows),
        "may_choose": sum(row.may_decide for row in rows) > 1,
        "decided": proposal_revisions(_decided(site_ids)),
        "is_filtered": site is not None,
        "is_invalid": form is not None and has_errors(form),
    }
    status = 422 if context["is_invalid"] else 200
    return render(request, "console/approvals.html", context, status=status)


@require_POST
def decide(
    request: HtmxHttpRequest,
    code: str,
    fiscal_day: datetime.date,
    sequence: int,
    revision: int,
) -> HttpResponse:
    """Approve, reject or withdraw one proposal; goes back to the page it was decided on."""
    person, correction = _proposal(request, code, fiscal_day, sequence, revision)
    form = ApprovalForm(
        request.POST, auto_id=f"id_%s_{correction_key(correction).replace('/', '-')}"
    )
    is_from_entry = request.POST.get("page") == "entry"
    if not form.is_valid():
        if is_from_entry:
            # Here, because the entry page shows proposals as this one does.
            from console.views.entry import entry_answer

            return entry_answer(request, code, fiscal_day, sequence, decision=form)
        return approvals_answer(request, refused=(correction_key(correction), form))
    try:
        said = _decided_as(person, correction, **form.cleaned_data)
    except CorrectionError as error:
        messages.error(request, f"{_title(correction)}: {error}")
    else:
        messages.success(request, said)
    if is_from_entry:
        return SeeOther(reverse("entry", args=[code, fiscal_day, sequence]))
    return SeeOther(reverse("approvals"))


def _proposal(
    request: HtmxHttpRequest, code: str, fiscal_day: datetime.date, sequence: int, revision: int
) -> tuple[User, Correction]:
    found = (
        Correction.objects.filter(
            site__in=visible_sites(request.user).filter(code=code),
            fiscal_day=fiscal_day,
            sequence=sequence,
            revision=revision,
        )
        .select_related("site", "author", "decided_by")
        .first()
    )
    if found is None:
        raise Http404(_("There is no such correction."))
    assert isinstance(request.user, User)
    return request.user, found


def _decided_as(person: User, correction: Correction, *, decision: str, note: str) -> str:
    """Do what was decided and return it in words. PermissionDenied where it is not theirs to do."""
    if decision == ApprovalForm.WITHDRAW:
        if not may_operate(person):
            raise PermissionDenied
        correction_withdraw(correction=correction, decided_by=person, note=note)
        return _("%(what)s: withdrawn.") % {"what": _title(correction)}
    if not may_approve(person):
        raise PermissionDenied
    if decision == ApprovalForm.REJECT:
        correction_reject(correction=correction, decided_by=person, note=note)
        return _("%(what)s: rejected.") % {"what": _title(correction)}
    correction_approve(correction=correction, decided_by=person, note=note)
    return _("%(what)s: approved.") % {"what": _title(correction)}


def _approve_chosen(request: HtmxHttpRequest) -> HttpResponse:
    """Approve the ticked proposals together, and say of each that could not be why.

    One transaction: where the database does not do it, none is approved.
    """
    if not may_approve(request.user):
        raise PermissionDenied
    assert isinstance(request.user, User)
    chosen = request.POST.getlist("chosen")
    done = corrections_approve(
        corrections=_chosen(request, chosen[:CHOSEN_MAX]), decided_by=request.user
    )
    for correction, error in done.refused:
        messages.error(request, f"{_title(correction)}: {error}")
    if approved := len(done.approved):
        messages.success(
            request,
            ngettext("%(count)d correction approved.", "%(count)d corrections approved.", approved)
            % {"count": approved},
        )
    elif not chosen:
        messages.info(request, _("Nothing was ticked, so nothing was approved."))
    if len(chosen) > CHOSEN_MAX:
        messages.error(
            request,
            _("%(count)d can be approved at once; the rest still waits.") % {"count": CHOSEN_MAX},
        )
    return SeeOther(f"{reverse('approvals')}")


def _chosen(request: HtmxHttpRequest, keys: Iterable[str]) -> list[Correction]:
    """Return the named corrections; Http404 unless the person may see them all. One query."""
    wanted = {_parts(key) for key in keys}
    if not wanted:
        return []
    named = [
        Q(site__code=code, fiscal_day=fiscal_day, sequence=sequence, revision=revision)
        for code, fiscal_day, sequence, revision in wanted
    ]
    found = Correction.objects.filter(
        functools.reduce(operator.or_, named), site__in=visible_sites(request.user)
    ).select_related("site", "author", "decided_by")
    if len(found) < len(wanted):
        raise Http404(_("There is no such correction."))
    return list(found)


#: What names a correction in a form, as `correction_key` writes it.
_KEY = re.compile(r"[A-Za-z0-9-]{1,32}/[0-9-]{10}/[0-9]{1,9}/[0-9]{1,9}")


def _parts(key: str) -> tuple[str, datetime.date, int, int]:
    """Read what names a correction in a form; Http404 for anything else."""
    try:
        # Nothing that PostgreSQL could not compare: no NUL, no number beyond its own.
        if not _KEY.fullmatch(key):
            raise ValueError(key)  # noqa: TRY301 it ends as what cannot be read does
        code, fiscal_day, sequence, revision = key.split("/")
        return code, datetime.date.fromisoformat(fiscal_day), int(sequence), int(revision)
    except ValueError as error:
        raise Http404(_("There is no such correction.")) from error


def _title(correction: Correction) -> str:
    return _("Entry %(sequence)d of %(site)s") % {
        "sequence": correction.sequence,
        "site": correction.site.name,
    }


def _decided(site_ids: frozenset[int] | None) -> list[Correction]:
    found: Any = Correction.objects.filter(needs_approval=True, decided_at__isnull=False)
    if site_ids is not None:
        found = found.filter(site__in=site_ids)
    return list(
        found.select_related("site", "author", "decided_by").order_by("-decided_at", "-pk")[
            :DECIDED_MAX
        ]
    )
