"""What stands between the server and the views."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import translation
from django.utils.deprecation import MiddlewareMixin
from django.views.defaults import page_not_found, permission_denied

from console.languages import language_for
from console.unavailable import DATABASE_ERRORS, Failure, failure_answer


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
