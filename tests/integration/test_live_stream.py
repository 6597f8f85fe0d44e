"""Streams over a real server: who gets one, what arrives, and when it ends."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from console.live import hub, service
from console.live import stream as stream_module
from console.live.stream import RECHECK_S, SEND_TIMEOUT_S
from console.models import Role, SiteAssignment
from tests import live
from tests.factories import make_site, make_user
from tests.live import Server, add_pump, notify, session_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from console.models import User

pytestmark = pytest.mark.usefixtures("committed_db")


@pytest.fixture(autouse=True)
def pages(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    live.use_plain_pages(monkeypatch, settings)


@pytest.fixture
def server() -> Iterator[Server]:
    with Server().running() as server:
        yield server


@pytest.fixture
def strict_server() -> Iterator[Server]:
    """One that asks again and again whether a viewer may still watch."""
    with Server(recheck_s=0.05).running() as server:
        yield server


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + live.TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.01)


def test_a_stream_speaks_the_viewers_language(
    server: Server, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    words = {"pumps.html": '<p id="pumps">{% translate "Fuelling points" %}</p>'}
    live.use_plain_pages(monkeypatch, settings, templates=live.TEMPLATES | words)
    make_site("HILL")
    for language, expected in (("de", "Zapfpunkte"), ("en", "Fuelling points")):
        session = session_of(make_user(Role.STAFF, language=language))
        with server.get("/live/sites/HILL/", session=session) as stream:
            assert expected in stream.events(2)["pumps"]


def test_a_piece_that_fails_is_counted_and_the_others_go_on(
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
    settings: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    broken = {"pumps.html": "{% include 'there-is-none.html' %}"}
    live.use_plain_pages(monkeypatch, settings, templates=live.TEMPLATES | broken)
    make_site("HILL")
    with server.get("/live/sites/HILL/", session=session_of(make_user())) as stream:
        assert stream.events(1).keys() == {"tanks"}
        assert server.service.hub.counts.failed_renders == 1
    assert "Could not render the fragment pumps" in caplog.text


class TestWhoGetsOne:
    def test_nobody_who_is_not_signed_in(self, server: Server) -> None:
        make_site("HILL")
        for path in ("/live/", "/live/sites/HILL/"):
            for session in ("", "no-such-session"):
                with server.get(path, session=session) as stream:
                    assert stream.status == 403

    def test_a_manager_for_their_own_sites(self, server: Server) -> None:
        site = make_site("HILL")
        make_site("DALE")
        session = session_of(make_user(Role.MANAGER, site))
        for path, status in (
            ("/live/sites/HILL/", 200),
            ("/live/sites/DALE/", 404),
            ("/live/sites/NONE/", 404),
            ("/live/", 200),
        ):
            with server.get(path, session=session) as stream:
                assert (path, stream.status) == (path, status)

    def test_staff_for_every_site(self, server: Server) -> None:
        make_site("HILL")
        with server.get("/live/sites/HILL/", session=session_of(make_user(Role.STAFF))) as stream:
            assert stream.status == 200

    def test_only_a_get(self, server: Server) -> None:
        with server.get("/live/", session=session_of(make_user()), method="POST") as stream:
            assert stream.status == 405

    def test_nobody_once_there_are_too_many(
        self, server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(service, "STREAMS_MAX", 0)
        with server.get("/live/", session=session_of(make_user())) as stream:
            assert stream.status == 503
            assert stream.response.headers["Retry-After"] == "5"


class TestWhatArrives:
    def test_nothing_on_the_way_may_hold_it_back(self, server: Server) -> None:
        with server.get("/live/", session=session_of(make_user())) as stream:
            headers = stream.response.headers
            assert headers["Content-Type"] == "text/event-stream; charset=utf-8"
            assert headers["Cache-Control"] == "no-cache"
            assert headers["X-Accel-Buffering"] == "no"
            assert headers["Content-Encoding"] == "identity"
            assert stream.response.readline().startswith(b"retry: ")
            assert stream.response.readline() == b"\n"
            assert stream.response.readline() == b"event: beat\n"

    def test_everything_first_and_then_what_changed(self, server: Server) -> None:
        site = make_site("HILL")
        with server.get("/live/sites/HILL/", session=session_of(make_user())) as stream:
            assert stream.events(2) == {
                "pumps": '<ul id="pumps">\n<li>0 pumps</li>\n</ul>',
                "tanks": '<p id="tanks">Tanks of HILL</p>',
            }
            for number in (1, 2):
                add_pump(site, number)
                notify(site)
                assert stream.event() == (
                    "pumps",
                    f'<ul id="pumps">\n<li>{number} pumps</li>\n</ul>',
                )

    def test_nothing_of_other_sites(self, server: Server) -> None:
        site, other = make_site("HILL"), make_site("DALE")
        with server.get("/live/sites/HILL/", session=session_of(make_user())) as stream:
            stream.events(2)
            add_pump(other, 1)
            notify(other)
            add_pump(site, 1)
            notify(site)
            event = stream.event()
            assert event is not None
            assert "1 pumps" in event[1]
            # The fragment comes while the rest of the page is still being rendered.
            wait_until(lambda: server.service.hub.counts.renders == 2)

    def test_each_network_page_counts_what_its_person_may_see(self, server: Server) -> None:
        site, other = make_site(), make_site()
        manager = session_of(make_user(Role.MANAGER, site))
        with (
            server.get("/live/", session=manager) as own,
            server.get("/live/", session=session_of(make_user(Role.AUDITOR))) as whole,
        ):
            assert own.event() == whole.event() == ("sites", '<p id="sites">0 pumps</p>')
            add_pump(other, 1)
            notify(other)
            assert whole.event() == ("sites", '<p id="sites">1 pumps</p>')
            add_pump(site, 1)
            notify(site)
            assert own.event() == ("sites", '<p id="sites">1 pumps</p>')

    def test_a_viewer_who_does_not_read_costs_the_others_nothing(
        self, server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(hub, "RENDERS_PER_SECOND_MAX", 1_000)
        monkeypatch.setitem(
            live.TEMPLATES, "pumps.html", "<p>{{ count }} pumps</p>" + "<!-- wide -->\n" * 40_000
        )
        site = make_site("HILL")
        session = session_of(make_user())
        with (
            server.get("/live/sites/HILL/", session=session) as slow,
            server.get("/live/sites/HILL/", session=session) as quick,
        ):
            quick.events(2)
            counts = server.service.hub.counts
            number = 0
            # Until the buffers between server and viewer are full, and then a few more.
            while counts.skipped < 5:
                number += 1
                assert number < 200
                add_pump(site, number)
                notify(site)
                event = quick.event()
                assert event is not None
                assert f"{number} pumps" in event[1]
            seen = [slow.events(2)["pumps"]]
            while f"<p>{number} pumps" not in seen[-1]:
                event = slow.event()
                assert event is not None
                seen.append(event[1])
        assert len(seen) <= number + 1 - counts.skipped

    def test_no_database_connection_is_left_behind(self, server: Server) -> None:
        make_site("HILL")
        session = session_of(make_user())
        with contextlib.ExitStack() as stack:
            for _ in range(8):
                stream = stack.enter_context(server.get("/live/sites/HILL/", session=session))
                stream.events(2)
            # Its page is rendered in a thread of no request, and asks who is there.
            with server.get("/nowhere/", session=session) as nowhere:
                assert nowhere.status == 404
                assert b"<h1" in nowhere.response.read()
            # PostgreSQL lists a connection until its process has ended, a moment after the close.
            wait_until(lambda: connections_of_others() == ["console live"])


class TestWhenItEnds:
    @pytest.mark.parametrize(
        "loss",
        [
            lambda user: Session.objects.all().delete(),
            lambda user: Session.objects.update(expire_date=timezone.now()),
            lambda user: type(user).objects.update(is_active=False),
            lambda user: SiteAssignment.objects.all().delete(),
            lambda user: (user.set_password("another long password"), user.save()),
        ],
        ids=["signed out", "session expired", "deactivated", "site taken away", "password changed"],
    )
    def test_when_the_person_may_no_longer_watch(
        self, strict_server: Server, loss: Callable[[User], object]
    ) -> None:
        site = make_site("HILL")
        user = make_user(Role.MANAGER, site)
        with strict_server.get("/live/sites/HILL/", session=session_of(user)) as stream:
            stream.events(2)
            loss(user)
            assert stream.event() == ("end", "access")
            assert stream.event() is None
        wait_until(lambda: strict_server.service.hub.counts.viewers == 0)

    def test_when_the_person_signs_out_in_another_tab(self, strict_server: Server) -> None:
        make_site("HILL")
        browser = Client()
        browser.force_login(make_user())
        session = browser.cookies[settings.SESSION_COOKIE_NAME].value
        with strict_server.get("/live/sites/HILL/", session=session) as stream:
            stream.events(2)
            assert browser.post(reverse("sign_out")).status_code == 302
            assert stream.event() == ("end", "access")
            assert stream.event() is None

    def test_within_a_minute_of_the_loss(self) -> None:
        # The longest there can be between two questions: the wait for an update, and a viewer
        # who takes the one before the question as late as is allowed.
        assert RECHECK_S + SEND_TIMEOUT_S <= 60

    def test_when_the_viewer_takes_nothing(
        self, server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(hub, "RENDERS_PER_SECOND_MAX", 1_000)
        monkeypatch.setattr(stream_module, "SEND_TIMEOUT_S", 0.2)
        monkeypatch.setitem(
            live.TEMPLATES, "pumps.html", "<p>{{ count }} pumps</p>" + "<!-- wide -->\n" * 40_000
        )
        site = make_site("HILL")
        session = session_of(make_user())
        counts = server.service.hub.counts
        with server.get("/live/sites/HILL/", session=session) as quick:
            quick.events(2)
            with server.get("/live/sites/HILL/", session=session):
                number = 0
                while number == 0 or counts.viewers == 2:
                    number += 1
                    add_pump(site, number)
                    notify(site)
                    event = quick.event()
                    assert event is not None
                    assert f"{number} pumps" in event[1]
                # What is buffered for them counts until their connection is gone.
                assert server.service.streams == 2
            wait_until(lambda: server.service.streams == 1)
            assert counts.viewers == 1

    def test_when_the_person_may_see_other_sites(self, strict_server: Server) -> None:
        user = make_user(Role.MANAGER, make_site())
        with strict_server.get("/live/", session=session_of(user)) as stream:
            stream.events(1)
            SiteAssignment.objects.create(user=user, site=make_site())
            # Without an end: the browser connects again and gets what is right now.
            assert stream.event() is None

    def test_when_the_viewer_leaves(self, server: Server) -> None:
        with server.get("/live/", session=session_of(make_user())) as stream:
            stream.events(1)
            assert server.service.hub.counts.viewers == 1
        wait_until(lambda: server.service.hub.counts.viewers == 0)
        assert server.service.hub.counts.topics == 0


class TestTheDatabaseConnection:
    def test_it_comes_back_and_tells_what_was_missed(self, server: Server) -> None:
        site = make_site("HILL")
        with server.get("/live/sites/HILL/", session=session_of(make_user())) as stream:
            stream.events(2)
            add_pump(site, 1)
            end_listener()
            assert stream.events(1)["pumps"].count("1 pumps") == 1
            add_pump(site, 2)
            notify(site)
            assert stream.events(1)["pumps"].count("2 pumps") == 1
        assert server.service.listener.connections_made == 2

    def test_streams_end_while_it_is_away_and_begin_again_after(
        self, server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(service, "DEAF_MAX_S", 0.2)
        make_site("HILL")
        session = session_of(make_user())
        with server.get("/live/sites/HILL/", session=session) as stream:
            stream.events(2)
            with database_closed_to_others():
                assert stream.event() is None
                with server.get("/live/sites/HILL/", session=session) as refused:
                    assert refused.status == 503
        wait_until(server.service.listener.connected.is_set)
        with server.get("/live/sites/HILL/", session=session) as stream:
            assert set(stream.events(2)) == {"pumps", "tanks"}

    def test_a_fault_in_the_listener_ends_the_streams_and_the_next_viewer_starts_it_anew(
        self, server: Server, caplog: pytest.LogCaptureFixture
    ) -> None:
        make_site("HILL")
        session = session_of(make_user())
        announce = server.service.hub.announce
        failed = threading.Event()

        def fail(change: object) -> None:
            failed.set()
            raise RuntimeError("a fault")

        with server.get("/live/sites/HILL/", session=session) as stream:
            stream.events(2)
            server.service.listener._on_change = fail
            notify()
            assert stream.event() is None
        assert failed.is_set()
        assert "The listener failed" in caplog.text
        server.service.listener._on_change = announce
        with server.get("/live/sites/HILL/", session=session) as stream:
            assert set(stream.events(2)) == {"pumps", "tanks"}


def connections_of_others() -> list[str]:
    """Return the names of the connections to the test's database, but for the test's own."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT application_name FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        return [name for (name,) in cursor.fetchall()]


def end_listener() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = 'console live'"
        )


@contextlib.contextmanager
def database_closed_to_others() -> Iterator[None]:
    """End the listener's connection and let nobody in any more."""
    config = connection.settings_dict
    with psycopg.connect(
        host=config["HOST"], user=config["USER"], dbname="postgres", autocommit=True
    ) as elsewhere:
        elsewhere.execute(f'ALTER DATABASE "{config["NAME"]}" ALLOW_CONNECTIONS false')
        try:
            end_listener()
            yield
        finally:
            elsewhere.execute(f'ALTER DATABASE "{config["NAME"]}" ALLOW_CONNECTIONS true')
