"""Who may watch what. The same question lets a viewer in and is asked again while they watch."""

from __future__ import annotations

import datetime
from importlib import import_module
from typing import NamedTuple

from django.conf import settings
from django.contrib import auth
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest

from console.access import visible_site, visible_site_ids
from console.languages import language_for
from console.live.topics import DayTopic, NetworkTopic, SiteTopic, Topic
from console.models import User
from ledger.models import FiscalDay


class Admission(NamedTuple):
    """Who is let in, and to what."""

    person_id: int
    topic: Topic


def admission_for(
    request: HttpRequest, code: str | None, fiscal_day: str | None = None
) -> Admission:
    """Return who asks and what they may watch: the network, the site with the code, a day of it.

    Reads the session, the person and the site anew. PermissionDenied when nobody is signed in
    (or no longer, or deactivated); Http404 when they may not see the site or it has no such day.
    """
    sessions = import_module(settings.SESSION_ENGINE)
    request.session = sessions.SessionStore(request.COOKIES.get(settings.SESSION_COOKIE_NAME))
    user = auth.get_user(request)
    if not user.is_authenticated:
        raise PermissionDenied
    language = language_for(request, user)
    return Admission(user.pk, _topic_of(user, language, code, fiscal_day))


def _topic_of(user: User, language: str, code: str | None, fiscal_day: str | None) -> Topic:
    if code is None:
        return NetworkTopic(site_ids=visible_site_ids(user), language=language)
    site_id = visible_site(user, code).id
    if fiscal_day is None:
        return SiteTopic(site_id=site_id, language=language)
    day = _day_of(site_id, fiscal_day)
    return DayTopic(site_id=site_id, fiscal_day=day, person_id=user.pk, language=language)


def _day_of(site_id: int, text: str) -> datetime.date:
    """Return the fiscal day of an address, Http404 if the site has none of that date."""
    try:
        fiscal_day = datetime.date.fromisoformat(text)
    except ValueError as error:
        raise Http404 from error
    if not FiscalDay.objects.filter(pk=(site_id, fiscal_day)).exists():
        raise Http404
    return fiscal_day
