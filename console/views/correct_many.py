"""Correcting many entries of a day at once: chosen by what they state, changed alike.

As with one entry, only what was shown is done: the submit that does it brings the digest of all
that changes back, entry by entry.
"""

from __future__ import annotations

import datetime
import hashlib
from dataclasses import dataclass, field, replace
from typing import Any

from django.http import HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from console.access import may_only_propose, site_to_correct
from console.forms.answers import done, field_check, form_answer
from console.forms.correction import BulkCorrectionForm
from console.forms.filters import EntryFilterForm
from console.htmx import HtmxHttpRequest
from console.models import User
from console.views.correct import CONFIRM
from console.views.day import fiscal_day_for
from ledger.models import Correction, FiscalDay, Site
from ledger.selectors.corrections import Change, EffectiveEntry, changed, changes
from ledger.selectors.days import (
    EntryFilter,
    day_products,
    product_families,
    product_tax_rates,
)
from ledger.selectors.effects import Effect, effect_of
from ledger.selectors.revisions import Selection, selected_entries
from ledger.services.corrections import (
    BULK_MAX,
    CorrectionError,
    Draft,
    corrections_propose,
)

#: How many entries without litres a preview names.
UNPRICED_NAMED_MAX = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkRow:
    """One entry of many: what changes about it."""

    sequence: int
    occurred_at: datetime.datetime
    changes: list[Change]


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkPreview:
    """What would be changed: `count` entries, and how many that match stay as they are, and why.

    `unpriced` are the numbers of entries whose price and amount stay, for they have no litres: all
    of those are counted, the first few named. More than `most` is too many at once: then there are
    no rows and no effect.
    """

    count: int
    rows: list[BulkRow] = field(default_factory=list)
    effect: Effect | None = None
    same_count: int = 0
    void_count: int = 0
    waiting_count: int = 0
    unpriced: list[int] = field(default_factory=list)
    unpriced_count: int = 0
    most: int = 0

    @property
    def is_too_many(self) -> bool:
        """Whether they are more than can be corrected together."""
        return self.count > self.most

    @property
    def unpriced_unnamed(self) -> int:
        """How many entries without litres are not named."""
        return self.unpriced_count - len(self.unpriced)


@dataclass(frozen=True, slots=True)
class _Pair:
    now: EffectiveEntry
    sequence: int
    after: dict[str, Any]


@require_http_methods(["GET", "POST"])
def correct_many(request: HtmxHttpRequest, code: str, fiscal_day: datetime.date) -> HttpResponse:
    """Choose entries of a day and change one thing about all of them.

    The day's page hands on what it lists (`EntryFilterForm`), so that the same rows are meant.
    """
    site, person = site_to_correct(request.user, code)
    day = fiscal_day_for(site, fiscal_day)
    families = product_families(site)
    held = sorted({*families, *day_products(day)})
    listed = EntryFilterForm(request.GET, products=held)
    form = BulkCorrectionForm(
        request.POST or None,
        initial=_chosen(listed.entry_filter),
        products=sorted(families),
        held=held,
        currency=site.currency,
    )
    context: dict[str, Any] = {
        "site": site,
        "day": day,
        "form": form,
        "filter_form": listed,
        "families": families,
    }
    with timezone.override(site.zone):
        if answer := field_check(request, form):
            return answer
        if form.is_valid():
            return _sent(request, person, day, form, context)
        return _answer(request, form, context | {"preview": None})


def _sent(
    request: HtmxHttpRequest,
    person: User,
    day: FiscalDay,
    form: BulkCorrectionForm,
    context: dict[str, Any],
) -> HttpResponse:
    selection = selected_entries(day, form.only)
    pairs = _pairs(day.site, form, selection)
    wants_approval = may_only_propose(person)
    preview = _preview(day, form, selection, pairs, wants_approval=wants_approval)
    context = context | {"preview": preview}
    digest = _digest(pairs)
    was_shown = CONFIRM in request.POST
    if not pairs:
        form.add_error(None, _("No entry of the day matches and would change."))
    elif preview.is_too_many:
        form.add_error(
            None,
            _("%(count)d entries match; %(most)d can be corrected together. Narrow them down.")
            % {"count": preview.count, "most": BULK_MAX},
        )
    elif was_shown and form.cleaned_data["shown"] == digest:
        try:
            corrections = corrections_propose(
                drafts=[_draft(day, form, pair) for pair in pairs],
                author=person,
                wants_approval=wants_approval,
            )
        except CorrectionError as error:
            form.add_error(None, str(error))
        else:
            url = reverse("day", args=[day.site.code, day.fiscal_day])
            return done(request, url, _said_of(corrections))
    elif was_shown and form.cleaned_data["shown"]:
        form.add_error(
            None, _("The entries or your changes are others than those shown; look again.")
        )
    form.retold(shown=digest if pairs and not preview.is_too_many else "")
    return _answer(request, form, context)


def _answer(
    request: HtmxHttpRequest, form: BulkCorrectionForm, context: dict[str, Any]
) -> HttpResponse:
    return form_answer(
        request,
        forms=[form],
        page="console/correct_many.html",
        partial="console/_bulk_form.html",
        context=context,
    )


def _pairs(site: Site, form: BulkCorrectionForm, selection: Selection) -> list[_Pair]:
    """Return the entries that would change, each with its new values."""
    pairs = []
    tax_rates = product_tax_rates(site)
    for now in selection.found:
        assert now.entry is not None
        assert now.values is not None
        after = form.applied(now.values, tax_rates=tax_rates)
        if after != now.values:
            pairs.append(_Pair(now, now.entry.sequence, after))
    return pairs


def _preview(
    day: FiscalDay,
    form: BulkCorrectionForm,
    selection: Selection,
    pairs: list[_Pair],
    *,
    wants_approval: bool,
) -> BulkPreview:
    changing = {pair.sequence for pair in pairs}
    unpriced = [
        now.entry.sequence
        for now in selection.found
        if now.entry is not None and now.values is not None and form.leaves_price(now.values)
    ]
    bare = BulkPreview(
        count=len(pairs),
        same_count=len(selection.found) - len(changing.union(unpriced)),
        unpriced=unpriced[:UNPRICED_NAMED_MAX],
        unpriced_count=len(unpriced),
        void_count=selection.left_void,
        waiting_count=selection.left_waiting,
        most=BULK_MAX,
    )
    if bare.is_too_many or not pairs:
        return bare
    return replace(
        bare,
        rows=[
            BulkRow(
                sequence=pair.sequence,
                occurred_at=pair.after["occurred_at"],
                changes=changed(changes(pair.now.values, pair.after)),
            )
            for pair in pairs
        ],
        effect=effect_of(
            day, [(pair.now.values, pair.after) for pair in pairs], wants_approval=wants_approval
        ),
    )


def _draft(day: FiscalDay, form: BulkCorrectionForm, pair: _Pair) -> Draft:
    return Draft(
        site=day.site,
        fiscal_day=day.fiscal_day,
        sequence=pair.sequence,
        action=Correction.Action.CORRECT,
        reason=form.cleaned_data["reason"],
        note=form.cleaned_data["note"],
        values=pair.after,
        based_on=pair.now.latest_revision,
    )


def _digest(pairs: list[_Pair]) -> str:
    digest = hashlib.sha256()
    for pair in pairs:
        stated = sorted((name, str(value)) for name, value in pair.after.items())
        digest.update(repr((pair.sequence, pair.now.latest_revision, stated)).encode())
    return digest.hexdigest()


def _said_of(corrections: list[Correction]) -> str:
    waiting = sum(one.status == Correction.Status.PROPOSED for one in corrections)
    count = len(corrections)
    said = ngettext("%(count)d entry corrected.", "%(count)d entries corrected.", count - waiting)
    parts = [said % {"count": count - waiting}] if count > waiting else []
    if waiting:
        waits = ngettext(
            "%(count)d correction waits for a second person to approve it.",
            "%(count)d corrections wait for a second person to approve them.",
            waiting,
        )
        parts.append(waits % {"count": waiting})
    return " ".join(parts)


def _chosen(only: EntryFilter) -> dict[str, Any]:
    """Return what the form begins with: the same entries as are listed."""
    return {
        "kind": only.kind,
        "only_product": only.product,
        "fuelling_point": only.fuelling_point,
        "flagged": only.flagged,
    }
