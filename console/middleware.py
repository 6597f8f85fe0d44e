"""What stands between the server and the views."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.utils.deprecation import MiddlewareMixin
from django.views.defaults import page_not_found


class NotFoundMiddleware(MiddlewareMixin):
    """Answer a view's Http404 with the console's own page, also where DEBUG would explain it.

    A site that a person may not see is an everyday answer and no developer's error. Addresses that
    lead to no view keep Django's explanation while DEBUG is on.
    """

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Return the page of what is not there, nothing for other exceptions."""
        return page_not_found(request, exception) if isinstance(exception, Http404) else None
