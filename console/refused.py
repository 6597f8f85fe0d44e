"""What is answered to a request that was given up before any view had it (`console.clients`).

A page of the console's own, in the language of the browser, made without a query: neither the
session nor the database was asked. htmx, whose form still stands filled in on the page, gets the
kind of failure, as it does from `console.unavailable`.
"""

from __future__ import annotations

import contextlib
import io
from typing import Any

from csp.middleware import CSPMiddleware
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import DisallowedHost
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import translation
from django.utils.cache import add_never_cache_headers, patch_vary_headers

from console.typed import page_of
from console.unavailable import KIND_HEADER

#: What the templates call it, by status.
REASONS = {408: "late", 413: "large"}


def refused_answer(scope: Any, status: int, *, mib_max: int, seconds_max: int) -> HttpResponseBase:
    """Return why a request was not taken: 413 for one too large, 408 for one that did not come."""
    request = ASGIRequest(scope, io.BytesIO())
    request.user = AnonymousUser()
    response = _answer(request, status, {"mib_max": mib_max, "seconds_max": seconds_max})
    return CSPMiddleware(lambda asked: response).process_response(request, response)


def _answer(request: Any, status: int, limits: dict[str, int]) -> HttpResponse:
    if request.headers.get("HX-Request"):
        response = HttpResponse(status=status)
    else:
        page = ""
        with contextlib.suppress(DisallowedHost):
            page = page_of(request)
        context = {"reason": REASONS[status], "page": page, **limits}
        with translation.override(translation.get_language_from_request(request)):
            response = render(request, "console/request_refused.html", context, status=status)
            response["Content-Language"] = translation.get_language()
    response[KIND_HEADER] = REASONS[status]
    response["X-Content-Type-Options"] = "nosniff"
    add_never_cache_headers(response)
    patch_vary_headers(response, ["HX-Request", "Accept-Language", "Cookie"])
    return response
