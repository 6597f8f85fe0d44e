"""The one clock of a page: a site's on the pages of that site, the reader's own on all others.

Whoever finds the site of a page (`console.access`) has the page keep to its clock: times that
templates, forms and messages write are then by it, and the shell says so once. The server does not
know where a reader is. What spans sites it writes in UTC, and says that; a script turns both the
times and what the page says into the reader's own zone.

Pieces that are rendered for many viewers at once, outside of a request, name their site's zone
themselves (`{% timezone site.timezone %}`).
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

from django.utils import timezone
from django.utils.deprecation import MiddlewareMixin

if TYPE_CHECKING:
    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

    from ledger.models import Site

#: The zone of the site whose page is being made, empty where the page is of no one site.
_site_zone: ContextVar[str] = ContextVar("site_zone", default="")


def keep_to_clock_of(site: Site) -> None:
    """Write the times of this request by the site's clock from here on."""
    timezone.activate(site.zone)
    _site_zone.set(site.timezone)


def page_zone() -> str:
    """Return the zone of the site whose page it is, empty where it is of no one site."""
    return _site_zone.get()


class PageClockMiddleware(MiddlewareMixin):
    """Begin and end each request with the clock of no site."""

    def process_request(self, request: HttpRequest) -> None:
        """Forget the site of whatever was answered before."""
        _forget()

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        """Leave nothing for what comes after."""
        _forget()
        return response


def _forget() -> None:
    timezone.deactivate()
    _site_zone.set("")
