"""What arrived and the ledger did not take, and what people decide about it."""

from __future__ import annotations

import contextlib
from collections import Counter
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.db import OperationalError
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from django.views.decorators.vary import vary_on_headers

from console.access import (
    may_decide,
    message_for,
    person_who_decides,
    sees_all_sites,
    visible_quarantine,
)
from console.forms.answers import done, form_answer
from console.forms.filters import QuarantineFilterForm
from console.forms.quarantine import (
    BulkDecisionForm,
    DecisionForm,
    EntryMendForm,
    MendForm,
    RawMendForm,
    RegisterForm,
)
from console.htmx import HtmxHttpRequest, wants_fragment
from console.models import User
from console.payload import payload_view
from ledger.models import Correction, Quarantine, QuarantineDecision, Site
from ledger.selectors.quarantine import (
    first_day_moves,
    message_correction,
    message_decisions,
    message_has_day,
    message_replays,
    quarantine_counts,
    quarantine_page,
)
from ledger.selectors.stated import message_comparison
from ledger.services.corrections import CorrectionError
from ledger.services.quarantine import (
    ACCEPTED_MAX,
    CONTESTED,
    DECIDED_MAX,
    QuarantineDecisionError,
    actions_open,
    quarantine_accept,
    quarantine_admit,
    quarantine_dismiss,
    quarantine_mend,
    quarantine_refuse,
    quarantine_replay,
    site_register_and_release,
    undecided,
)
from ledger.services.sites import SiteRegistrationError
from ledger.services.transactions import CommitUnknownError
from ledger.specs import SiteSpec
from ledger.topics import Lane, topic_parts

Action = QuarantineDecision.Action

#: A page that decides about many shows so many of them.
BULK_SHOWN_MAX = 10
#: What can be decided about many at once, in the order of the buttons.
BULK_ACTIONS = (Action.REPLAY, Action.ADMIT, Action.ACCEPT, Action.REFUSE, Action.DISMISS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """What became of one message of many that were to be accepted.

    The correction that it became, else why it could not become one: it then waits as before.
    """

    message: Quarantine
    correction: Correction | None = None
    refusal: str = ""


@require_GET
@vary_on_headers("HX-Request")
def quarantine(request: HtmxHttpRequest) -> HttpResponse:
    """List quarantined messages, newest first."""
    form = QuarantineFilterForm(_with_outcome(request))
    messages = form.only().of(visible_quarantine(request.user))
    context = {
        "form": form,
        "counts": quarantine_counts(messages),
        "quarantine_page": quarantine_page(messages, before=form.place("before")),
        "may_decide": may_decide(request.user),
        "is_swapped": wants_fragment(request),
    }
    if wants_fragment(request):
        return render(request, "console/_quarantine_list.html", context)
    return render(request, "console/quarantine.html", context)


@require_GET
@vary_on_headers("HX-Request")
def message(request: HtmxHttpRequest, message_id: int) -> HttpResponse:
    """Show a message, what the ledger holds under its key, and what was decided about it."""
    found = message_for(request.user, message_id)
    if wants_fragment(request) and "course" in request.GET:
        if found.awaits_replay:
            return HttpResponse(status=204)
        return render(request, "console/_message_course.html", _course(found))
    return render(request, "console/message.html", _message_context(request, found))


@require_GET
def message_raw(request: HttpRequest, message_id: int) -> HttpResponse:
    """Hand out the bytes exactly as they came, as a file that no browser opens by itself."""
    found = message_for(request.user, message_id)
    response = HttpResponse(bytes(found.raw), content_type="application/octet-stream")
    response["Content-Disposition"] = f'attachment; filename="message-{found.pk}.bin"'
    response["X-Content-Type-Options"] = "nosniff"
    return response


@require_POST
@vary_on_headers("HX-Request")
def decide(request: HtmxHttpRequest, message_id: int) -> HttpResponse:
    """Replay, accept, refuse or dismiss one message, or accept its past day."""
    found = message_for(request.user, message_id)
    person = person_who_decides(request.user)
    form = DecisionForm(request.POST)
    if form.is_valid():
        try:
            count = _take_one(found, person=person, **form.cleaned_data)
        except (CorrectionError, QuarantineDecisionError) as error:
            form.add_error(None, str(error))
        else:
            url = reverse("quarantine_message", args=[found.pk])
            return done(request, url, "" if count else _("It was decided already, as shown here."))
    return form_answer(
        request,
        forms=[form],
        page="console/message.html",
        partial="console/_message_decide.html",
        context=_message_context(request, found) | {"form": form},
    )


@require_http_methods(["GET", "POST"])
def mend(request: HtmxHttpRequest, message_id: int) -> HttpResponse:
    """Mend a message in a form; what changes is shown before it is sent."""
    found = message_for(request.user, message_id)
    person = person_who_decides(request.user)
    kind = _mend_form(request, found)
    step = request.POST.get("step", "")
    form = None if kind is None else _bound_mend_form(kind, request, found)
    is_checked = form is not None and step != "edit" and form.is_valid()
    if form is not None and is_checked and step == "send":
        is_new = quarantine_mend(
            message=found,
            payload=form.payload,
            decided_by=person,
            note=form.cleaned_data["note"],
        )
        url = reverse("quarantine_message", args=[found.pk])
        return done(request, url, "" if is_new else _("It was decided already, as shown here."))
    context = {
        "message": found,
        "form": form,
        "as_raw": kind is RawMendForm,
        "can_be_fields": _can_be_fields(found),
        "can_be_text": RawMendForm.fits(found.raw),
        "is_checked": is_checked,
        "is_open": Action.MEND in actions_open(found),
    }
    return form_answer(
        request,
        forms=[form] if form is not None and step != "edit" else [],
        page="console/message_mend.html",
        partial="console/_message_mend.html",
        context=context,
    )


@require_http_methods(["GET", "POST"])
def register(request: HtmxHttpRequest, message_id: int) -> HttpResponse:
    """Register the site that a message came from, and release all that it sent."""
    found = message_for(request.user, message_id)
    person = person_who_decides(request.user)
    code = topic_parts(found.topic).site_code
    if not code:
        raise Http404(_("The message's topic names no site."))
    known = Site.objects.filter(code=code).first()
    initial = _usual_place()
    form = RegisterForm(request.POST if request.method == "POST" else None, initial=initial)
    if form.is_valid():
        try:
            site, count = site_register_and_release(
                spec=SiteSpec(code=code, **form.cleaned_data), decided_by=person
            )
        except (SiteRegistrationError, QuarantineDecisionError) as error:
            form.add_error(None, str(error))
        else:
            text = ngettext(
                "%(site)s is registered, and its message is on its way into the ledger.",
                "%(site)s is registered, and its %(count)d messages are on their way into "
                "the ledger.",
                count,
            ) % {"site": site.name, "count": count}
            return done(request, f"{reverse('quarantine')}?site={site.code}&outcome=any", text)
    waiting = undecided(
        Quarantine.objects.filter(topic__startswith=found.topic.rpartition(code)[0] + code + "/"),
        Action.REPLAY,
    )
    return form_answer(
        request,
        forms=[form],
        page="console/message_register.html",
        partial="console/_message_register.html",
        context={
            "message": found,
            "code": code,
            "known": known,
            "form": form,
            "count": waiting[: DECIDED_MAX + 1].count(),
            "decided_max": DECIDED_MAX,
        },
    )


@require_http_methods(["GET", "POST"])
@vary_on_headers("HX-Request")
def decide_all(request: HtmxHttpRequest) -> HttpResponse:
    """Decide about all messages of a filtered list, up to a limit, after a look at them."""
    person = person_who_decides(request.user)
    filter_form = QuarantineFilterForm(_with_outcome(request))
    visible = visible_quarantine(request.user)
    data = request.POST if request.method == "POST" else None
    form = BulkDecisionForm(data, initial={"last_id": _last_id(filter_form, visible)})
    if form.is_valid() and not filter_form.is_valid():
        # Without the part that cannot be read it would be about more than was meant.
        form.add_error(None, _("Mend the filter first; nothing was decided."))
    elif form.is_valid():
        only = filter_form.only(last_id=form.cleaned_data["last_id"])
        action, note = form.cleaned_data["action"], form.cleaned_data["note"]
        if action == Action.ACCEPT:
            each = _accept_each(only.of(visible), person=person, note=note)
            return _accepted_answer(request, filter_form, each)
        count = _take(only.of(visible), person=person, action=action, note=note)
        said = _said_of_many(action, count)
        return done(request, f"{reverse('quarantine')}?{request.GET.urlencode()}", said)
    last_id = _seen_last_id(form)
    messages = filter_form.only(last_id=last_id).of(visible)
    counts = quarantine_counts(messages)
    acts = [
        (action, min(count, ACCEPTED_MAX if action == Action.ACCEPT else DECIDED_MAX))
        for action in BULK_ACTIONS
        if (count := undecided(messages, action).order_by()[: DECIDED_MAX + 1].count())
    ]
    context = {
        "filter_form": filter_form,
        "form": form,
        "counts": counts,
        "acts": acts,
        "first_days": (
            first_day_moves(undecided(messages, Action.ADMIT), limit=BULK_SHOWN_MAX)
            if any(action == Action.ADMIT for action, _count in acts)
            else []
        ),
        "shown": quarantine_page(messages, limit=BULK_SHOWN_MAX).messages,
        "decided_max": DECIDED_MAX,
    }
    return form_answer(
        request,
        forms=[form],
        page="console/quarantine_decide.html",
        partial="console/_quarantine_decide.html",
        context=context,
    )


def _take_one(found: Quarantine, *, person: User, action: str, note: str) -> int:
    """Take a decision on one message. Returns whether it was still undecided, as a count."""
    if action == Action.ACCEPT:
        quarantine_accept(message=found, decided_by=person, note=note)
        return 1
    messages = Quarantine.objects.filter(pk=found.pk)
    return _take(messages, person=person, action=action, note=note)


def _take(messages: QuerySet[Quarantine], *, person: User, action: str, note: str) -> int:
    """Take a decision on messages together. Returns on how many it was still to be taken."""
    if action == Action.REPLAY:
        return quarantine_replay(messages=messages, decided_by=person, note=note)
    if action == Action.ADMIT:
        return quarantine_admit(messages=messages, decided_by=person, note=note)
    if action == Action.REFUSE:
        return quarantine_refuse(messages=messages, decided_by=person, note=note)
    if action == Action.DISMISS:
        return quarantine_dismiss(messages=messages, decided_by=person, note=note)
    raise QuarantineDecisionError(_("This is done in a form of its own."))


def _accept_each(messages: QuerySet[Quarantine], *, person: User, note: str) -> list[Accepted]:
    """Accept messages one by one, the oldest first.

    One that cannot be does not keep the others from it.
    """
    done_about = []
    found = undecided(messages, Action.ACCEPT).select_related("site").order_by("id")
    for one in found[:ACCEPTED_MAX]:
        try:
            correction = quarantine_accept(message=one, decided_by=person, note=note)
        except (CorrectionError, QuarantineDecisionError) as error:
            done_about.append(Accepted(message=one, refusal=str(error)))
        except CommitUnknownError:
            # Not to be said of as one that was not stored.
            raise
        except OperationalError:
            if not done_about:
                raise
            # The others wait as long, perhaps. What was accepted so far is, and has to be said.
            refusal = _("It could not be stored now, and those after it still wait. Try again.")
            done_about.append(Accepted(message=one, refusal=refusal))
            break
        else:
            done_about.append(Accepted(message=one, correction=correction))
    return done_about


def _accepted_answer(
    request: HtmxHttpRequest, filter_form: QuarantineFilterForm, each: list[Accepted]
) -> HttpResponse:
    """Say of each message what became of it. Sent once more, it takes those that still wait."""
    context = {
        "filter_form": filter_form,
        "refused": [one for one in each if one.correction is None],
        "accepted": [one for one in each if one.correction is not None],
    }
    partial, page = "console/_quarantine_accepted.html", "console/quarantine_accepted.html"
    return render(request, partial if wants_fragment(request) else page, context)


def _said_of_many(action: str, count: int) -> str:
    if action in (Action.REPLAY, Action.ADMIT):
        text = ngettext(
            "%(count)d message is on its way into the ledger.",
            "%(count)d messages are on their way into the ledger.",
            count,
        )
    elif action == Action.REFUSE:
        text = ngettext("%(count)d message is refused.", "%(count)d messages are refused.", count)
    else:
        text = ngettext(
            "%(count)d message is dismissed.", "%(count)d messages are dismissed.", count
        )
    return text % {"count": count}


def _message_context(request: HtmxHttpRequest, found: Quarantine) -> dict[str, Any]:
    """Context of `message.html`."""
    comparison = message_comparison(found)
    decides = may_decide(request.user)
    acts = actions_open(found) if decides else set()
    parts = topic_parts(found.topic)
    return {
        "message": found,
        "payload": payload_view(found.raw, found.detail),
        "comparison": comparison,
        "acts": acts,
        "can_register": decides
        and sees_all_sites(request.user)
        and found.reason == Quarantine.Reason.UNKNOWN_SITE
        and found.site is None
        and bool(parts.site_code),
        "is_contested": found.reason in CONTESTED,
        "has_day": message_has_day(found),
        "form": DecisionForm(),
        **_course(found),
    }


def _course(found: Quarantine) -> dict[str, Any]:
    """Context of `_message_course.html`."""
    decisions = message_decisions(found)
    return {
        "message": found,
        "decisions": decisions,
        "replays": message_replays(found) if found.replay_quarantined else [],
        "correction": message_correction(found, decisions),
    }


def _can_be_fields(found: Quarantine) -> bool:
    return topic_parts(found.topic).lane == Lane.LEDGER and EntryMendForm.fits(found.raw)


def _mend_form(request: HttpRequest, found: Quarantine) -> type[MendForm] | None:
    """Return how the message can be mended: as fields, unless asked for the text; None if not."""
    if _can_be_fields(found) and request.GET.get("as") != "text":
        return EntryMendForm
    return RawMendForm if RawMendForm.fits(found.raw) else None


def _bound_mend_form(kind: type[MendForm], request: HttpRequest, found: Quarantine) -> MendForm:
    data = request.POST if request.method == "POST" else None
    if issubclass(kind, EntryMendForm):
        currency = found.site.currency if found.site else ""
        return kind(data, raw=found.raw, detail=found.detail, currency=currency)
    return RawMendForm(data, raw=found.raw)


def _usual_place() -> dict[str, str]:
    """Return the time zone and the currency that most sites have."""
    places = Counter(Site.objects.values_list("timezone", "currency"))
    if not places:
        return {}
    [((timezone, currency), _count)] = places.most_common(1)
    return {"timezone": timezone, "currency": currency}


def _with_outcome(request: HttpRequest) -> Any:
    """Return what the list is asked for; where it says no outcome, what waits is meant."""
    data = request.GET.copy()
    data.setdefault("outcome", Quarantine.Outcome.WAITING)
    return data


def _seen_last_id(form: BulkDecisionForm) -> int:
    """Return the last message that the person saw, or is about to see; 0 for none."""
    with contextlib.suppress(ValidationError):
        return int(form.fields["last_id"].clean(form["last_id"].value()))
    return 0


def _last_id(form: QuarantineFilterForm, visible: Any) -> int:
    newest = form.only().of(visible).order_by("-id").values_list("id", flat=True).first()
    return newest or 0
