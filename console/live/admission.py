"""Who may watch what. The same question lets a viewer in and is asked again while they watch."""

from __future__ import annotations

from importlib import import_module

from django.conf import settings
from django.contrib import auth
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.utils import translation

from console.access import site_for, visible_site_ids
from console.live.topics import NetworkTopic, SiteTopic, Topic


def topic_for(request: HttpRequest, code: str | None) -> Topic:
    """Return what the person may watch: the site with the code, or the network if it is None.

    Reads the session, the person and the site anew. PermissionDenied when nobody is signed in
    (or no longer, or deactivated); Http404 when they may not see the site.
    """
    sessions = import_module(settings.SESSION_ENGINE)
    request.session = sessions.SessionStore(request.COOKIES.get(settings.SESSION_COOKIE_NAME))
    user = auth.get_user(request)
    if not user.is_authenticated:
        raise PermissionDenied
    language = translation.get_language_from_request(request)
    if code is None:
        return NetworkTopic(site_ids=visible_site_ids(user), language=language)
    return SiteTopic(site_id=site_for(user, code).id, language=language)
