"""Correcting one entry: its values, voiding it, adding one that is missing.

What changes is shown before it is done: the first submit answers with it and with its digest, and
only a second one that brings this digest back does it. So nothing is done that was not shown.
"""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from console.access import may_only_propose, site_to_correct
from console.forms.answers import done, field_check, form_answer
from console.forms.correction import USE_AMOUNT, EntryForm, ReasonForm
from console.htmx import HtmxHttpRequest
from console.models import User
from console.views.day import fiscal_day_for
from ledger.models import Correction, FiscalDay, Kind, Site
from ledger.selectors.corrections import (
    Change,
    EffectiveEntry,
    changed,
    changes,
    effective_entry,
)
from ledger.selectors.days import product_families
from ledger.selectors.effects import effect_of
from ledger.selectors.revisions import as_of, last_values
from ledger.services.corrections import (
    ChangedMeanwhileError,
    CorrectionError,
    Draft,
    correction_propose,
)

Action = Correction.Action
#: The query's parameter that asks only for the amount that litres and price make.
SUGGEST = "suggest"
#: The button that does what was shown.
CONFIRM = "confirm"


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Who wants to do what with which entry, which stands as `now`."""

    site: Site
    person: User
    day: FiscalDay
    sequence: int
    action: Correction.Action
    now: EffectiveEntry

    @property
    def wants_approval(self) -> bool:
        """Whether it takes a second person whatever it moves."""
        return may_only_propose(self.person)

    @property
    def address(self) -> str:
        """The page of the entry."""
        return reverse("entry", args=[self.site.code, self.day.fiscal_day, self.sequence])


@dataclass(frozen=True, slots=True, kw_only=True)
class Meanwhile:
    """What somebody else changed since the person saw the entry."""

    changes: list[Change]
    correction: Correction | None = None


@require_http_methods(["GET", "POST"])
def correct(
    request: HtmxHttpRequest, code: str, fiscal_day: datetime.date, sequence: int
) -> HttpResponse:
    """State an entry's values anew."""
    task = _task(request, code, fiscal_day, sequence, Action.CORRECT)
    if task.now.entry is None and not task.now.revision:
        raise Http404(_("The ledger has no such entry."))
    return _edit(request, task, last_values(task.now) or {})


@require_http_methods(["GET", "POST"])
def add(
    request: HtmxHttpRequest, code: str, fiscal_day: datetime.date, sequence: int
) -> HttpResponse:
    """State an entry that the site can no longer send."""
    task = _task(request, code, fiscal_day, sequence, Action.ADD)
    if not 1 <= sequence <= task.day.expected_count:
        raise Http404(_("The day has no such entry."))
    if request.method == "GET" and (task.now.entry or task.now.corrections):
        return HttpResponseRedirect(task.address)
    stated = {"kind": Kind.SALE, "reason": Correction.Reason.NOT_SENT}
    return _edit(request, task, stated)


@require_http_methods(["GET", "POST"])
def void(
    request: HtmxHttpRequest, code: str, fiscal_day: datetime.date, sequence: int
) -> HttpResponse:
    """Let an entry count for nothing."""
    task = _task(request, code, fiscal_day, sequence, Action.VOID)
    if task.now.entry is None and not task.now.revision:
        raise Http404(_("The ledger has no such entry."))
    seen = {"based_on": task.now.latest_revision, "shown": _digest(task.now.latest_revision, None)}
    form = ReasonForm(request.POST or None, initial=seen)
    with timezone.override(task.site.zone):
        if form.is_valid():
            return _sent(request, task, form, None)
        return _shown(request, task, form, after=None, is_shown=True)


def _task(
    request: HtmxHttpRequest,
    code: str,
    fiscal_day: datetime.date,
    sequence: int,
    action: Correction.Action,
) -> Task:
    site, person = site_to_correct(request.user, code)
    day = fiscal_day_for(site, fiscal_day)
    now = effective_entry(site_id=site.pk, fiscal_day=fiscal_day, sequence=sequence)
    return Task(site=site, person=person, day=day, sequence=sequence, action=action, now=now)


def _edit(request: HtmxHttpRequest, task: Task, stated: Mapping[str, Any]) -> HttpResponse:
    """Answer the form of an entry's values; times are by the site's clock."""
    with timezone.override(task.site.zone):
        families = product_families(task.site)
        form = EntryForm(
            request.POST or None,
            initial={**stated, "based_on": task.now.latest_revision},
            products=sorted(families),
            currency=task.site.currency,
        )
        if request.method == "POST" and SUGGEST in request.GET:
            context = {"form": form, "site": task.site}
            return render(request, "console/_amount_suggestion.html", context)
        if answer := field_check(request, form):
            return answer
        if USE_AMOUNT in request.POST:
            form.take_suggested_amount()
        if form.is_valid():
            return _sent(request, task, form, form.values)
        return _shown(request, task, form)


def _sent(
    request: HtmxHttpRequest, task: Task, form: ReasonForm, after: dict[str, Any] | None
) -> HttpResponse:
    """Show what changes, or do it when it was shown."""
    based_on = form.cleaned_data["based_on"] or 0
    if task.now.latest_revision != based_on:
        return _conflict(request, task, form, after, based_on)
    if after == task.now.values and after is not None:
        form.add_error(
            None, _("Nothing is changed about entry %(sequence)d.") % {"sequence": task.sequence}
        )
        return _shown(request, task, form)
    digest = _digest(based_on, after)
    if CONFIRM not in request.POST or form.cleaned_data["shown"] != digest:
        form.retold(shown=digest)
        return _shown(request, task, form, after=after, is_shown=True)
    draft = Draft(
        site=task.site,
        fiscal_day=task.day.fiscal_day,
        sequence=task.sequence,
        action=task.action,
        reason=form.cleaned_data["reason"],
        note=form.cleaned_data["note"],
        values=after,
        based_on=based_on,
    )
    try:
        correction = correction_propose(
            draft=draft, author=task.person, wants_approval=task.wants_approval
        )
    except ChangedMeanwhileError as error:
        return _conflict(request, replace(task, now=error.now), form, after, based_on)
    except CorrectionError as error:
        form.add_error(None, str(error))
        return _shown(request, task, form, after=after, is_shown=True)
    return done(request, task.address, said_of(correction))


def _conflict(
    request: HtmxHttpRequest,
    task: Task,
    form: ReasonForm,
    after: dict[str, Any] | None,
    based_on: int,
) -> HttpResponse:
    """Show what changed meanwhile beside what was typed, and go on from how it is now."""
    now = task.now
    meanwhile = Meanwhile(
        changes=changed(changes(as_of(now, based_on).values, now.values)),
        correction=now.corrections[-1] if now.corrections else None,
    )
    form.current = now.values or {}
    is_void = after is None
    shown = _digest(now.latest_revision, None) if is_void else ""
    form.retold(based_on=str(now.latest_revision), shown=shown)
    return _shown(request, task, form, after=after, is_shown=is_void, meanwhile=meanwhile)


def _shown(
    request: HtmxHttpRequest,
    task: Task,
    form: ReasonForm,
    *,
    after: dict[str, Any] | None = None,
    is_shown: bool = False,
    meanwhile: Meanwhile | None = None,
) -> HttpResponse:
    before = task.now.values
    pairs = [(before, after)] if is_shown else []
    effect = effect_of(task.day, pairs, wants_approval=task.wants_approval)
    context = {
        "site": task.site,
        "day": task.day,
        "sequence": task.sequence,
        "action": task.action.value,
        "form": form,
        "now": task.now,
        "changes": changed(changes(before, after)) if is_shown else [],
        "effect": effect,
        "is_shown": is_shown,
        "meanwhile": meanwhile,
        "families": product_families(task.site),
    }
    return form_answer(
        request,
        forms=[form],
        page="console/correct.html",
        partial="console/_correction_form.html",
        context=context,
        is_refused=meanwhile is not None,
    )


def said_of(correction: Correction) -> str:
    """Return in one sentence what became of a correction that was just written."""
    number = {"sequence": correction.sequence}
    if correction.status == Correction.Status.PROPOSED:
        return (
            _("Your correction of entry %(sequence)d waits for a second person to approve it.")
            % number
        )
    assert correction.posted_to is not None, "what is approved is posted"
    day = date_format(correction.posted_to, "DATE_FORMAT")
    texts = {
        Action.CORRECT: _("Entry %(sequence)d is corrected; posted to %(day)s."),
        Action.VOID: _("Entry %(sequence)d is void; posted to %(day)s."),
        Action.ADD: _("Entry %(sequence)d is added; posted to %(day)s."),
    }
    return texts[Action(correction.action)] % (number | {"day": day})


def _digest(based_on: int, after: Mapping[str, Any] | None) -> str:
    """Name what was shown, so that nothing else is done by mistake."""
    stated = None if after is None else sorted((name, str(value)) for name, value in after.items())
    return hashlib.sha256(repr((based_on, stated)).encode()).hexdigest()
