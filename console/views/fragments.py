"""Fragments for polling: what the streams send, for those whom a stream does not reach."""

from __future__ import annotations

import datetime
import hashlib

from django.http import Http404, HttpRequest, HttpResponse
from django.utils.http import parse_etags
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from console.access import site_for, visible_site_ids
from console.live.render import day_fragment_html, network_fragment_html, site_fragment_html
from console.network_view import NetworkView
from console.site_view import SiteView
from console.views.day import DAY_FRAGMENTS, fiscal_day_for
from console.views.network import NETWORK_FRAGMENTS
from console.views.site import SITE_FRAGMENTS

DIGEST_BYTES = 12


@require_GET
@never_cache
def site_fragment(request: HttpRequest, code: str, name: str) -> HttpResponse:
    """Return a piece of a site's page, or 204 when the browser has it as it is."""
    site = site_for(request.user, code)
    if name not in SITE_FRAGMENTS:
        raise Http404(_("There is no such part of the page."))
    return _unless_known(request, site_fragment_html(SITE_FRAGMENTS[name], SiteView(site)))


@require_GET
@never_cache
def day_fragment(
    request: HttpRequest, code: str, fiscal_day: datetime.date, name: str
) -> HttpResponse:
    """Return a piece of a fiscal day's page, or 204 when the browser has it as it is."""
    day = fiscal_day_for(site_for(request.user, code), fiscal_day)
    if name not in DAY_FRAGMENTS:
        raise Http404(_("There is no such part of the page."))
    return _unless_known(request, day_fragment_html(DAY_FRAGMENTS[name], day))


@require_GET
@never_cache
def network_fragment(request: HttpRequest, name: str) -> HttpResponse:
    """Return a piece of the network page, or 204 when the browser has it as it is."""
    if name not in NETWORK_FRAGMENTS:
        raise Http404(_("There is no such part of the page."))
    view = NetworkView(visible_site_ids(request.user))
    return _unless_known(request, network_fragment_html(NETWORK_FRAGMENTS[name], view))


@require_GET
def stream(
    request: HttpRequest, code: str = "", fiscal_day: datetime.date | None = None
) -> HttpResponse:
    """Refuse the stream: under ASGI its requests never come here, elsewhere the page polls."""
    return HttpResponse(status=503)


def _unless_known(request: HttpRequest, html: str) -> HttpResponse:
    """Answer with the HTML, or with 204 if its digest is the one in If-None-Match.

    Not 304, which a browser would turn back into the whole answer.
    """
    etag = f'W/"{hashlib.blake2b(html.encode(), digest_size=DIGEST_BYTES).hexdigest()}"'
    is_known = etag in parse_etags(request.headers.get("If-None-Match", ""))
    response = HttpResponse(status=204) if is_known else HttpResponse(html)
    response["ETag"] = etag
    return response
