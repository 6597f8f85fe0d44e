"""Fragments for polling: what the streams send, for those whom a stream does not reach.

All pieces of a page come with one answer, from one look at what is behind them: a poll costs no
more than its page.
"""

from __future__ import annotations

import datetime
import hashlib
from typing import TypeVar

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils.http import parse_etags
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from console.access import site_for, visible_site_ids
from console.day_view import DayView
from console.network_view import NetworkView
from console.pieces import Piece, day_pieces, network_pieces, site_pieces
from console.site_view import SiteView
from console.views.day import DAY_FRAGMENTS, fiscal_day_for
from console.views.network import NETWORK_FRAGMENTS
from console.views.site import SITE_FRAGMENTS

F = TypeVar("F")

DIGEST_BYTES = 12


@require_GET
@never_cache
def site_fragments(request: HttpRequest, code: str) -> HttpResponse:
    """Return the pieces of a site's page that the browser does not have as they are."""
    wanted = _wanted(request, SITE_FRAGMENTS)
    pieces = site_pieces(wanted, SiteView(site_for(request.user, code)))
    return _those_unknown(request, pieces)


@require_GET
@never_cache
def day_fragments(request: HttpRequest, code: str, fiscal_day: datetime.date) -> HttpResponse:
    """Return the pieces of a fiscal day's page that the browser does not have as they are."""
    day = fiscal_day_for(site_for(request.user, code), fiscal_day)
    return _those_unknown(
        request, day_pieces(_wanted(request, DAY_FRAGMENTS), DayView(day, request.user))
    )


@require_GET
@never_cache
def network_fragments(request: HttpRequest) -> HttpResponse:
    """Return the pieces of the network page that the browser does not have as they are."""
    view = NetworkView(visible_site_ids(request.user))
    return _those_unknown(request, network_pieces(_wanted(request, NETWORK_FRAGMENTS), view))


@require_GET
def stream(
    request: HttpRequest, code: str = "", fiscal_day: datetime.date | None = None
) -> HttpResponse:
    """Refuse the stream: under ASGI its requests never come here, elsewhere the page polls."""
    return HttpResponse(status=503)


def _wanted(request: HttpRequest, fragments: dict[str, F]) -> dict[str, F]:
    """Return the fragments that are asked for by their names (`pieces`), all if none is named."""
    names = {name for name in request.GET.get("pieces", "").split(",") if name}
    if not names <= fragments.keys():
        raise Http404(_("There is no such part of the page."))
    return {name: each for name, each in fragments.items() if name in names or not names}


def _those_unknown(request: HttpRequest, pieces: dict[str, Piece]) -> HttpResponse:
    """Answer with the pieces whose digests are not in If-None-Match, or with 204 if all are.

    Not 304, which a browser would turn back into the whole answer.
    """
    known = parse_etags(request.headers.get("If-None-Match", ""))
    found = [
        {"name": piece.name, "etag": etag, "html": piece.html}
        for piece in pieces.values()
        if (etag := _etag(piece.html)) not in known
    ]
    return JsonResponse({"pieces": found}) if found else HttpResponse(status=204)


def _etag(html: str) -> str:
    return f'W/"{hashlib.blake2b(html.encode(), digest_size=DIGEST_BYTES).hexdigest()}"'
