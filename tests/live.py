"""What the tests of streams share: a real server in a thread, a client, and pages to stream."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import http.client
import json
import threading
from importlib import import_module
from typing import TYPE_CHECKING, Any

import uvicorn
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.db import connection
from django.test import Client
from django.utils import timezone

from console.fragments import NetworkFragment, SiteFragment, SiteIds
from console.live.routing import application_with_streams
from console.live.service import LiveService
from ledger.models import PumpState, Site
from tests.conftest import free_port, wait_for_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

    from console.models import User

#: Nothing in a test takes this long unless it failed.
TIMEOUT_S = 15

TEMPLATES = {
    "pumps.html": '<ul id="pumps">\n<li>{{ count }} pumps</li>\n</ul>',
    "tanks.html": '<p id="tanks">Tanks of {{ site.code }}</p>',
    "sites.html": '<p id="sites">{{ count }} pumps</p>',
}


def count_pumps(site_ids: SiteIds) -> dict[str, Any]:
    pumps = PumpState.objects.all()
    return {"count": (pumps if site_ids is None else pumps.filter(site_id__in=site_ids)).count()}


SITE_FRAGMENTS = {
    "pumps": SiteFragment(
        name="pumps",
        template="pumps.html",
        context=lambda view: count_pumps(frozenset({view.site.id})),
    ),
    "tanks": SiteFragment(
        name="tanks", template="tanks.html", context=lambda view: {"site": view.site}
    ),
}
NETWORK_FRAGMENTS = {
    "sites": NetworkFragment(
        name="sites", template="sites.html", context=lambda view: count_pumps(view.site_ids)
    )
}


def use_plain_pages(
    monkeypatch: pytest.MonkeyPatch, settings: Any, *, templates: dict[str, str] = TEMPLATES
) -> None:
    """Stream pages of a few words, so that a test is about streams alone."""
    # A view that is imported only now would keep these pieces for all tests that follow.
    import_module(settings.ROOT_URLCONF)
    for module in ("console.views.site", "console.views.fragments"):
        monkeypatch.setattr(f"{module}.SITE_FRAGMENTS", dict(SITE_FRAGMENTS))
    for module in ("console.views.network", "console.views.fragments"):
        monkeypatch.setattr(f"{module}.NETWORK_FRAGMENTS", dict(NETWORK_FRAGMENTS))
    engine = copy.deepcopy(settings.TEMPLATES[0])
    plain = ("django.template.loaders.locmem.Loader", templates)
    engine["OPTIONS"]["loaders"] = [
        plain,
        "django.template.loaders.filesystem.Loader",
        "django.template.loaders.app_directories.Loader",
    ]
    settings.TEMPLATES = [engine]


def add_pump(site: Site, number: int) -> None:
    """Change what the fragment `pumps` shows, and tell nobody."""
    now = timezone.now()
    PumpState.objects.create(
        site=site, fuelling_point=number, state="idle", since=now, at=now, received_at=now
    )


def notify(*sites: Site, **payload: Any) -> None:
    """Announce changes as the worker does."""
    message = json.dumps({"sites": [site.id for site in sites], **payload})
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify('ledger_changes', %s)", [message])


def piece_of(client: Client, page: str, name: str, **headers: str) -> str:
    """Return a piece of a page (`/`, a site's or a day's) as a poll brings it."""
    answer = client.get(f"{page}fragments/", {"pieces": name}, headers=headers or None)
    assert answer.status_code == 200, answer.status_code
    [piece] = answer.json()["pieces"]
    return str(piece["html"])


def session_of(user: User) -> str:
    """Sign the person in and return the session's key."""
    client = Client()
    client.force_login(user)
    return client.cookies[settings.SESSION_COOKIE_NAME].value


class Server:
    """The console's ASGI application under uvicorn, in a thread of this process."""

    def __init__(self, *, recheck_s: float = 30) -> None:
        self.port = free_port()
        self._recheck_s = recheck_s

    @contextlib.contextmanager
    def running(self) -> Iterator[Server]:
        """Serve while the context is open."""
        self._start()
        try:
            yield self
        finally:
            self._stop()

    @contextlib.contextmanager
    def stopped(self) -> Iterator[None]:
        """Do not serve while the context is open."""
        self._stop()
        try:
            yield
        finally:
            self._start()

    def end_streams(self) -> None:
        """End all streams, though new ones may begin."""
        self._loop.call_soon_threadsafe(self.service.hub.close_viewers)

    def _start(self) -> None:
        self.service = LiveService()
        inner: Any = application_with_streams(
            get_asgi_application(), service=self.service, recheck_s=self._recheck_s
        )

        async def application(scope: Any, receive: Any, send: Any) -> None:
            self._loop = asyncio.get_running_loop()
            await inner(scope, receive, send)

        config = uvicorn.Config(
            application,
            port=self.port,
            lifespan="on",
            loop="uvloop",
            http="httptools",
            ws="none",
            log_config=None,
            timeout_graceful_shutdown=2,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, name="uvicorn")
        self._thread.start()
        wait_for_port(self.port)

    def _stop(self) -> None:
        # What a signal does for a server in the main thread.
        self._loop.call_soon_threadsafe(self.service.end_streams)
        self._server.should_exit = True
        self._thread.join()

    def get(
        self, path: str, *, session: str = "", method: str = "GET"
    ) -> contextlib.closing[Stream]:
        """Ask for a stream; close it by leaving the context."""
        return contextlib.closing(Stream(self.port, path, session=session, method=method))


class Stream:
    """One response, read event by event."""

    def __init__(self, port: int, path: str, *, session: str = "", method: str = "GET") -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
        headers = {"Cookie": f"{settings.SESSION_COOKIE_NAME}={session}"} if session else {}
        self._connection.request(method, path, headers=headers)
        self.response = self._connection.getresponse()
        self.status = self.response.status

    def close(self) -> None:
        self.response.close()
        self._connection.close()

    def event(self) -> tuple[str, str] | None:
        """Return the next event as its name and data, beats left out; None at the end."""
        name, data = "", []
        while line := self.response.readline().decode():
            field, _, value = line.rstrip("\n").partition(": ")
            if field == "event":
                name = value
            elif field == "data":
                data.append(value)
            elif not line.strip() and name:
                if name != "beat":
                    return name, "\n".join(data)
                name, data = "", []
        return None

    def read_to_end(self) -> bytes:
        """Return what is left after the events read so far, once the stream has ended."""
        while self.event() is not None:
            pass
        return self.response.read()

    def events(self, count: int) -> dict[str, str]:
        """Return the next events by their names."""
        return dict(filter(None, (self.event() for _ in range(count))))
