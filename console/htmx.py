"""Fragment or page: the one place that decides."""

from __future__ import annotations

from django.http import HttpRequest
from django_htmx.middleware import HtmxDetails


class HtmxHttpRequest(HttpRequest):
    """A request that passed `HtmxMiddleware`."""

    htmx: HtmxDetails


def wants_fragment(request: HtmxHttpRequest) -> bool:
    """Say whether htmx asks for a part of a page.

    A boosted link and a page restored from the browser's history want whole pages. A view that
    asks must vary on HX-Request, so that a cache never mixes the two up.
    """
    return (
        bool(request.htmx) and not request.htmx.boosted and not request.htmx.history_restore_request
    )
