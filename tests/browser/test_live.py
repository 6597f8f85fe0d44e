"""A live page in a browser: streamed, polled while there is no stream, stale, and back again.

The page is a small one; its server, stream, scripts and frame of a fragment are the console's own.
"""

from __future__ import annotations

import datetime
import re
from typing import TYPE_CHECKING, Any

import pytest
from django.conf import settings as django_settings
from django.contrib.sessions.models import Session
from playwright.sync_api import Browser, Page, expect

from console.fragments import SiteFragment
from console.models import Role
from console.site_view import SiteView
from ledger.models import PumpState, Site
from tests import live
from tests.factories import make_site, make_user
from tests.live import Server, add_pump, notify, session_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Route

pytestmark = pytest.mark.usefixtures("committed_db")

TEMPLATES = {
    "console/site.html": """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{{ site.code }}</title>
<meta name="htmx-config" content='{"allowEval": false, "includeIndicatorStyles": false}'>
<script src="{% static 'django_htmx/htmx-2.min.js' %}" defer></script>
<script src="{% static 'django_htmx/ext/hx-sse-2.min.js' %}" defer></script>
<script src="{% static 'console/morph.js' %}" defer></script>
<script src="{% static 'console/live.js' %}" defer></script>
</head>
<body>
<p id="live-mark" data-state="still" data-text-streaming="Streaming" data-text-polling="Polling"
   data-text-stale="Stale since {time}"><span data-live-words>As it was</span></p>
<div hx-ext="sse" sse-connect="{% url 'live_site' site.code %}"
     data-poll="{% url 'site_fragments' site.code %}">
{% for piece in pieces.values %}{% include "console/_live.html" %}{% endfor %}
</div>
</body>
</html>""",
    "pumps.html": """<section id="pumps" class="{% if pumps %}busy{% endif %}">
<p><b data-figure id="count">{{ pumps|length }}</b> pumps, <b data-figure id="sites">1</b> site</p>
<details id="more"><summary id="summary">More</summary>
<ul>
{% for pump in pumps %}
<li id="pump-{{ pump.fuelling_point }}"><a id="link-{{ pump.fuelling_point }}" href="#">Pump
{{ pump.fuelling_point }}</a> <b data-figure>{{ pump.state }}</b></li>
{% endfor %}
</ul>
</details>
<input id="note" value="">
{% if pumps %}<time id="age" datetime="{{ since|date:'c' }}" data-age>{{ since|date:'c' }}</time>
<time id="time-in-state" datetime="{{ since|date:'c' }}" data-age="duration"></time>{% endif %}
</section>""",
    "tanks.html": live.TEMPLATES["tanks.html"],
}
AGE_S = 125


def pumps_context(view: SiteView) -> dict[str, Any]:
    # Newest first, so that each new pump moves the others down.
    pumps = PumpState.objects.filter(site=view.site).order_by("-fuelling_point")
    newest = pumps.first()
    # Of the pump and not of the clock, so that the same pumps always make the same piece.
    since = newest and newest.received_at - datetime.timedelta(seconds=AGE_S)
    return {"pumps": pumps, "since": since}


@pytest.fixture(autouse=True)
def pages(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    # Playwright's own loop runs in the thread of the test, where Django then refuses the ORM.
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
    fragment = SiteFragment(name="pumps", template="pumps.html", context=pumps_context)
    monkeypatch.setitem(live.SITE_FRAGMENTS, "pumps", fragment)
    live.use_plain_pages(monkeypatch, settings, templates=TEMPLATES)


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(recheck_s=0.2).running() as server:
        yield server


@pytest.fixture
def site() -> Site:
    return make_site("HILL")


@pytest.fixture
def live_page(browser: Browser, server: Server, site: Site) -> Iterator[Page]:
    """The site's page, watched by its manager."""
    address = f"http://127.0.0.1:{server.port}"
    context = browser.new_context(base_url=address, locale="en-GB")
    context.add_cookies(
        [
            {
                "name": django_settings.SESSION_COOKIE_NAME,
                "value": session_of(make_user(Role.MANAGER, site)),
                "url": address,
            }
        ]
    )
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto("/sites/HILL/")
    page.evaluate("window.wasNotReloaded = true")
    yield page
    context.close()
    assert errors == []


def expect_mark(page: Page, state: str, words: str) -> None:
    mark = page.locator("#live-mark")
    expect(mark).to_have_attribute("data-state", state, timeout=15_000)
    expect(mark).to_contain_text(words)


def refuse(route: Route) -> None:
    route.fulfill(status=503)


def test_what_changes_shows_without_a_reload(live_page: Page, site: Site) -> None:
    expect_mark(live_page, "streaming", "Streaming")
    expect(live_page.locator("#count")).to_have_text("0")
    add_pump(site, 1)
    notify(site)
    expect(live_page.locator("#count")).to_have_text("1")
    expect(live_page.locator("#pumps")).to_have_class("busy")
    assert live_page.evaluate("window.wasNotReloaded")


def test_only_the_figure_that_changed_is_marked_and_only_for_a_moment(
    live_page: Page, site: Site
) -> None:
    add_pump(site, 1)
    notify(site)
    expect(live_page.locator(".changed")).to_have_count(1)
    expect(live_page.locator("#count")).to_have_class("changed")
    expect(live_page.locator(".changed")).to_have_count(0)
    # A row that comes, and those that only move, are not changed figures.
    add_pump(site, 2)
    notify(site)
    expect(live_page.locator("#pump-2")).to_be_attached()
    assert live_page.locator("li .changed").count() == 0


def test_nothing_moves_for_who_wants_no_motion(live_page: Page, site: Site) -> None:
    live_page.emulate_media(reduced_motion="reduce")
    add_pump(site, 1)
    notify(site)
    expect(live_page.locator("#count")).to_have_text("1")
    assert live_page.locator(".changed").count() == 0


def test_focus_open_details_half_typed_text_and_the_selection_survive(
    live_page: Page, site: Site
) -> None:
    add_pump(site, 1)
    notify(site)
    live_page.locator("#summary").click()
    live_page.locator("#note").fill("half a tho")
    live_page.locator("#link-1").focus()
    live_page.evaluate("getSelection().selectAllChildren(document.getElementById('link-1'))")
    add_pump(site, 2)
    notify(site)
    expect(live_page.locator("#count")).to_have_text("2")
    expect(live_page.locator("#pump-2")).to_be_visible()
    expect(live_page.locator("#link-1")).to_be_focused()
    expect(live_page.locator("#note")).to_have_value("half a tho")
    assert live_page.evaluate("getSelection().toString()").split() == ["Pump", "1"]
    # And what goes, goes without them too.
    PumpState.objects.filter(fuelling_point=2).delete()
    notify(site)
    expect(live_page.locator("#pump-2")).to_have_count(0)
    expect(live_page.locator("#link-1")).to_be_focused()


def test_ages_tick(live_page: Page, site: Site) -> None:
    add_pump(site, 1)
    notify(site)
    expect(live_page.locator("#age")).to_have_text("2m ago")
    expect(live_page.locator("#time-in-state")).to_have_text("2 min")
    live_page.evaluate(
        "document.getElementById('age').dateTime = new Date(Date.now() - 3000).toISOString()"
    )
    expect(live_page.locator("#age")).to_have_text(re.compile(r"^([4-9]|1\d)s ago$"))


def test_a_page_without_its_stream_polls_and_streams_again(
    live_page: Page, server: Server, site: Site
) -> None:
    expect_mark(live_page, "streaming", "Streaming")
    live_page.route("**/live/**", refuse)
    server.end_streams()
    expect_mark(live_page, "polling", "Polling")
    add_pump(site, 1)
    expect(live_page.locator("#count")).to_have_text("1", timeout=15_000)
    assert live_page.evaluate("window.wasNotReloaded")
    # What it has, it does not get again.
    with live_page.expect_response(lambda r: "/fragments/" in r.url and r.status == 204):
        pass
    live_page.unroute("**/live/**")
    expect_mark(live_page, "streaming", "Streaming")
    add_pump(site, 2)
    notify(site)
    expect(live_page.locator("#count")).to_have_text("2")


def test_a_page_that_reaches_nobody_says_since_when_and_recovers(
    live_page: Page, server: Server, site: Site
) -> None:
    expect_mark(live_page, "streaming", "Streaming")
    with server.stopped():
        expect_mark(live_page, "stale", "Stale since ")
        assert ":" in live_page.locator("#live-mark").inner_text()
        add_pump(site, 1)
    expect_mark(live_page, "streaming", "Streaming")
    expect(live_page.locator("#count")).to_have_text("1")
    assert live_page.evaluate("window.wasNotReloaded")


def test_who_may_no_longer_watch_is_asked_to_sign_in(live_page: Page) -> None:
    expect_mark(live_page, "streaming", "Streaming")
    Session.objects.all().delete()
    expect(live_page).to_have_url("/sign-in/?next=/sites/HILL/")
