"""What stands between the server and the views."""

from __future__ import annotations

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import translation
from django.utils.cache import add_never_cache_headers
from django.utils.deprecation import MiddlewareMixin
from django.views.defaults import page_not_found, permission_denied

from console.languages import language_for
from console.own_connection import connections_give_back
from console.unavailable import DATABASE_ERRORS, Failure, failure_answer


class ConnectionMiddleware(MiddlewareMixin):
    """Give the request's connection back before its answer is sent.

    Django does so once the client has taken all of the answer, which a slow one never does: a few
    of them would hold all connections. Nothing that is sent is read from the database meanwhile.
    """

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        """Return the answer as it is."""
        connections_give_back()
        return response


class NoStoreMiddleware(MiddlewareMixin):
    """Let no browser keep what somebody saw who signed in: after them others sit there.

    Whoever signed in has a session, so the database need not be asked. Static files are answered
    before it, and what is shown to everybody is left alone.
    """

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        """Return the answer, which is not to be stored if it is somebody's."""
        if settings.SESSION_COOKIE_NAME in request.COOKIES:
            add_never_cache_headers(response)
        return response


class PersonLanguageMiddleware(MiddlewareMixin):
    """Speak the language that the person chose, on whichever machine that was.

    Comes after LocaleMiddleware, which knows the cookie and the browser alone.
    """

    def process_request(self, request: HttpRequest) -> None:
        """Activate the person's language."""
        language = language_for(request, request.user)
        translation.activate(language)
        request.LANGUAGE_CODE = language


class RefusalMiddleware(MiddlewareMixin):
    """Answer a view's Http404 or PermissionDenied with the console's own page.

    Also where DEBUG would explain it: a site that a person may not see is an everyday answer and no
    developer's error. Addresses that lead to no view keep Django's explanation while DEBUG is on.
    """

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Return the page of what is not there or not allowed, nothing for other exceptions."""
        if isinstance(exception, (Http404, PermissionDenied)):
            return refusal_of(request, exception)
        return None


def refusal_of(request: HttpRequest, exception: Http404 | PermissionDenied) -> HttpResponse:
    """Return the console's own page of what is not there or not allowed."""
    try:
        if isinstance(exception, Http404):
            return page_not_found(request, exception)
        return permission_denied(request, exception)
    except DATABASE_ERRORS as error:
        return failure_answer(request, Failure.AWAY, error)
