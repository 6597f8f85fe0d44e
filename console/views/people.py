"""Who may sign in, as what, and for which sites."""

from __future__ import annotations

from typing import Any

from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods

from console.access import ADMINISTRATION_ROLES, person_with
from console.forms.answers import done, field_check, form_answer
from console.forms.meanwhile import SEEN, events_since, form_meanwhile, last_seen
from console.forms.people import PasswordForm, PersonForm
from console.htmx import HtmxHttpRequest
from console.models import User
from console.parameters import text_asked
from console.people import (
    LastAdministratorError,
    person_create,
    person_set_password,
    person_update,
    person_values,
)
from ledger.models import AuditEvent
from ledger.selectors.setup import version_of
from ledger.services.setup import ChangedMeanwhileError

PEOPLE_MAX = 500


@require_GET
def people(request: HtmxHttpRequest) -> HttpResponse:
    """List the people."""
    person_with(request.user, ADMINISTRATION_ROLES)
    text = text_asked(request.GET, "q")
    found = User.objects.prefetch_related("sites").order_by("-is_active", "username")
    for word in text.split():
        found = found.filter(
            Q(username__icontains=word)
            | Q(first_name__icontains=word)
            | Q(last_name__icontains=word)
        )
    shown = list(found[: PEOPLE_MAX + 1])
    context = {"people": shown[:PEOPLE_MAX], "is_more": len(shown) > PEOPLE_MAX, "text": text}
    return render(request, "console/people.html", context)


@sensitive_post_parameters("password", "password_again")
@require_http_methods(["GET", "POST"])
def person_new(request: HtmxHttpRequest) -> HttpResponse:
    """Make a person who can sign in."""
    actor = person_with(request.user, ADMINISTRATION_ROLES)
    data = request.POST or None
    form, password = PersonForm(data), PasswordForm(data)
    if answer := field_check(request, form, password):
        return answer
    if form.is_valid() and password.is_valid():
        made = person_create(
            values=form.cleaned_data, password=password.cleaned_data["password"], actor=actor
        )
        message = _("%(person)s can sign in now.") % {"person": made}
        return done(request, reverse("people"), message)
    return _answer(request, {"forms": [form, password]})


@require_http_methods(["GET", "POST"])
def person(request: HtmxHttpRequest, person_id: int) -> HttpResponse:
    """Change a person: their role, their sites, whether they may sign in."""
    actor = person_with(request.user, ADMINISTRATION_ROLES)
    found = get_object_or_404(User, pk=person_id)
    events = AuditEvent.objects.filter(
        site=None,
        fiscal_day=None,
        action="person.changed",
        subject__endswith=f"({found.username})",
    )
    seen = last_seen(events)
    stored = person_values(found)
    form = PersonForm(request.POST or None, initial=stored, person=found)
    if answer := field_check(request, form):
        return answer
    context: dict[str, Any] = {"forms": [form], "person": found}
    context |= {"version": version_of(stored), "seen": seen}
    if form.is_valid():
        try:
            person_update(
                person=found,
                values=form.cleaned_data,
                version=request.POST.get("version", ""),
                actor=actor,
            )
        except ChangedMeanwhileError:
            since = events_since(events, request.POST.get(SEEN, ""))
            context["is_conflict"] = True
            context["meanwhile"] = form_meanwhile(since, form, stored)
        except LastAdministratorError:
            form.add_error("role", _("Nobody would be left who can let people in."))
        else:
            return done(request, reverse("people"), _("Saved."))
    return _answer(request, context)


@sensitive_post_parameters("password", "password_again")
@require_http_methods(["GET", "POST"])
def person_password(request: HtmxHttpRequest, person_id: int) -> HttpResponse:
    """Give a person another password."""
    actor = person_with(request.user, ADMINISTRATION_ROLES)
    found = get_object_or_404(User, pk=person_id)
    form = PasswordForm(request.POST or None, person=found)
    if form.is_valid():
        person_set_password(person=found, password=form.cleaned_data["password"], actor=actor)
        message = _("%(person)s has another password.") % {"person": found}
        return done(request, reverse("people"), message)
    return _answer(request, {"forms": [form], "person": found, "is_password": True})


def _answer(request: HtmxHttpRequest, context: dict[str, Any]) -> HttpResponse:
    return form_answer(
        request,
        forms=context["forms"],
        page="console/person.html",
        partial="console/_person_form.html",
        context=context,
        is_refused=bool(context.get("is_conflict")),
    )
