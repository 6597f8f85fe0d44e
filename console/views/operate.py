"""What people do about a site from its own pages: ask for entries again, take note of an alarm.

Live pieces are the same for all who watch, so their buttons belong to one form beside them
(`templates/console/_operate.html`), which carries the person's token and which page it stands on.
The answer is the piece as it is now; without JavaScript the page itself.
"""

from __future__ import annotations

import datetime

from django.http import HttpResponse, HttpResponseRedirect, QueryDict
from django.urls import reverse
from django.views.decorators.http import require_POST

from console.access import site_to_operate
from console.day_view import DayView
from console.forms.alarm import AlarmKeyForm
from console.htmx import HtmxHttpRequest, wants_fragment
from console.live.render import day_fragment_html, site_fragment_html
from console.site_view import SiteView
from console.views.day import DAY_FRAGMENTS, fiscal_day_for
from console.views.site import SITE_FRAGMENTS
from ledger.models import Site
from ledger.services.alarms import alarm_acknowledge
from ledger.services.resends import resend_request


@require_POST
def request_resend(request: HtmxHttpRequest, code: str, fiscal_day: datetime.date) -> HttpResponse:
    """Ask the site to send again what the day lacks."""
    site, person = site_to_operate(request.user, code)
    day = fiscal_day_for(site, fiscal_day)
    resend_request(day=day, requested_by=person)
    if request.POST.get("page") != "day":
        return _site_answer(request, site, "site_day")
    if wants_fragment(request):
        html = day_fragment_html(DAY_FRAGMENTS["day_state"], DayView(day, person))
        return _piece("day_state", html)
    return HttpResponseRedirect(reverse("day", args=[site.code, fiscal_day]))


@require_POST
def acknowledge_alarm(request: HtmxHttpRequest, code: str) -> HttpResponse:
    """Record that somebody has taken note of an alarm.

    An alarm that is over, or started anew since the page was made, is shown as it is now.
    """
    site, person = site_to_operate(request.user, code)
    form = AlarmKeyForm(QueryDict(request.POST.get("alarm", "")))
    if form.is_valid():
        alarm_acknowledge(site=site, acknowledged_by=person, **form.cleaned_data)
    return _site_answer(request, site, "site_alarms")


def _site_answer(request: HtmxHttpRequest, site: Site, name: str) -> HttpResponse:
    if wants_fragment(request):
        return _piece(name, site_fragment_html(SITE_FRAGMENTS[name], SiteView(site)))
    return HttpResponseRedirect(f"{reverse('site', args=[site.code])}#{name}")


def _piece(name: str, html: str) -> HttpResponse:
    """Answer with a piece, which takes its own place in the page."""
    response = HttpResponse(html)
    response["HX-Retarget"] = f'[data-fragment="{name}"]'
    response["HX-Reswap"] = "morph"
    return response
