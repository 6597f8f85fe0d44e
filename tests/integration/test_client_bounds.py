"""What clients can keep open of a server process: answers they do not take, requests they do not
send, streams. However many do so, its pool is whole and no transaction stays open."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import socket
import time
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.db import connection
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from console.clients import BODY_BYTES_MAX, BoundedClients, ClientCounts
from tests.factories import make_forecourt, make_user
from tests.live import Server, Stream, session_of

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.usefixtures("committed_db")

#: Larger than what the sockets between hold, so that who does not read is waited for.
DETAIL_BYTES, EVENTS = 20_000, 500
DOWNLOADS = ("/reports/export/?first=2026-11-21", "/audit/export/csv/", "/audit/export/jsonl/")
STREAMS = ("/live/", "/live/sites/S1/")
UNTIL_S = 20


def fill() -> None:
    make_forecourt("S1")
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO audit_event (at, actor_name, action, subject, detail, fiscal_day)"
            " SELECT now(), 'a program', 'site.changed', '', jsonb_build_object('note', text),"
            f" '2026-11-21' FROM generate_series(1, {EVENTS}) AS event,"
            # Of its own for each event: what is the same would be compressed to nothing.
            " LATERAL (SELECT string_agg(md5(random()::text || event || part), '') AS text"
            f" FROM generate_series(1, {DETAIL_BYTES // 32}) AS part) AS filling"
        )


def get(port: int, path: str, session: str, *, is_read: bool = True) -> socket.socket:
    """Ask for something over a socket that holds little; return it, once it is asked."""
    client = socket.socket()
    if not is_read:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    client.settimeout(UNTIL_S)
    client.connect(("127.0.0.1", port))
    cookie = f"{settings.SESSION_COOKIE_NAME}={session}"
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\n\r\n".encode())
    return client


def headers_of(client: socket.socket) -> str:
    """Take an answer up to the end of its headers, and little more."""
    taken = b""
    while b"\r\n\r\n" not in taken:
        taken += client.recv(500)
    return taken.decode(errors="replace")


def figures(port: int) -> dict[str, float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=UNTIL_S) as answer:
        families = text_string_to_metric_families(answer.read().decode())
        return {
            sample.name.removeprefix("forecourt_console_")
            + "".join(f"_{value}" for value in sample.labels.values()): sample.value
            for family in families
            for sample in family.samples
        }


def until(question: Callable[[], Any], words: str) -> None:
    deadline = time.monotonic() + UNTIL_S
    while not question():
        assert time.monotonic() < deadline, words
        time.sleep(0.05)


def busy_backends() -> list[str]:
    """Connections of others that are in a transaction or belong to an export."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT application_name || ': ' || state || ': ' || query FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            " AND (xact_start IS NOT NULL OR application_name = 'console export')"
        )
        return [row[0] for row in cursor.fetchall()]


def assert_whole(port: int) -> None:
    """All connections are back in the pool, and none is in a transaction."""
    until(lambda: not busy_backends(), f"still busy: {busy_backends()}")

    def is_whole() -> bool:
        # The request that asks has one itself no more: it is answered from memory.
        found = figures(port)
        return (
            found["database_pool_available"] == found["database_pool_size"]
            and found["database_requests_waiting"] == 0
        )

    until(is_whole, f"the pool is not whole: {figures(port)}")
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/", timeout=UNTIL_S) as answer:
        assert answer.status == 200


def test_cancelled_stalled_and_flooded_answers_leave_the_pool_whole(
    start_console: Callable[[], tuple[Any, int]],
) -> None:
    fill()
    _, port = start_console()
    sessions = [session_of(make_user()) for _ in range(4)]
    for path in (*DOWNLOADS, *STREAMS):
        cancel(port, path, sessions)
        stall(port, path, sessions)
        until(lambda: figures(port)["exports"] == figures(port)["streams"] == 0, "places are taken")
    # And afterwards all is there for who reads.
    for path in DOWNLOADS:
        with contextlib.closing(Stream(port, path, session=sessions[0])) as stream:
            assert stream.status == 200
            assert len(stream.response.read()) > EVENTS * DETAIL_BYTES / 4
    until(
        lambda: figures(port)["exports_ended_total_sent"] == len(DOWNLOADS),
        "what was sent is not counted",
    )


def cancel(port: int, path: str, sessions: list[str]) -> None:
    """Leave before anything came, and in the middle of it."""
    for number in range(18):
        with contextlib.closing(get(port, path, sessions[number % 4])) as client:
            if number % 2:
                client.recv(100)
    assert_whole(port)


def stall(port: int, path: str, sessions: list[str]) -> None:
    """Take the first bytes and no more, of more answers than there are connections and places."""
    with contextlib.ExitStack() as stack:
        clients = [
            stack.enter_context(
                contextlib.closing(get(port, path, sessions[number % 4], is_read=False))
            )
            for number in range(24)
        ]
        answers = [headers_of(client) for client in clients]
        statuses = [int(answer.split()[1]) for answer in answers]
        if path in DOWNLOADS:
            assert statuses.count(200) == 6, path
            assert statuses.count(429) == 18, path
            assert all("retry-after: " in each.lower() for each in answers if " 429 " in each)
        else:
            assert set(statuses) == {200}, path
        assert_whole(port)


async def test_an_answer_waits_for_its_client_without_a_connection() -> None:
    """Also a page's, which is written at once."""
    session = await sync_to_async(lambda: session_of(make_user()))()
    await sync_to_async(lambda: connection.close())()
    seen: list[list[str]] = []
    began = timezone.now()

    async def receive() -> Any:
        if not requests:
            await asyncio.Event().wait()
        return requests.pop()

    async def send(message: Any) -> None:
        seen.append(await asyncio.to_thread(backends, began))

    requests = [{"type": "http.request", "body": b"", "more_body": False}]
    await get_asgi_application()(scope_of("/", session), receive, send)
    assert seen == [[], []]


def backends(since: datetime.datetime) -> list[str]:
    """What connections that began since then did last, but for the one that asks."""
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT query FROM pg_stat_activity WHERE datname = current_database()"
                " AND pid <> pg_backend_pid() AND backend_start > %s",
                [since],
            )
            return [row[0] for row in cursor.fetchall()]
    finally:
        connection.close()


def scope_of(path: str, session: str = "", *headers: tuple[bytes, bytes]) -> Any:
    cookie = f"{settings.SESSION_COOKIE_NAME}={session}".encode()
    return {
        "type": "http",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"host", b"localhost"), (b"cookie", cookie), *headers],
        "server": ("127.0.0.1", 80),
        "client": ("127.0.0.1", 1),
        "http_version": "1.1",
        "scheme": "http",
    }


class TestBoundedClients:
    """With a small application, and a client of a few lines."""

    async def test_who_takes_nothing_is_given_up(self) -> None:
        counts, ended = ClientCounts(), []

        async def page(scope: Any, receive: Any, send: Any) -> None:
            # As Django does, to which a client that left is cancelled.
            try:
                await send({"type": "http.response.start"})
            except asyncio.CancelledError:
                ended.append("left")

        async def never(message: Any = None) -> None:
            await asyncio.Event().wait()

        bounded = BoundedClients(page, counts=counts, send_timeout_s=0)
        await bounded(scope_of("/"), never, never)
        assert ended == ["left"]
        assert counts.answers_not_taken == 1

    @pytest.mark.parametrize(
        ("headers", "bodies", "status", "count", "said"),
        [
            (
                [(b"content-length", b"%d" % (BODY_BYTES_MAX + 1)), (b"host", b"elsewhere")],
                [],
                413,
                "bodies_too_large",
                "larger than the 4 MiB",
            ),
            ([], [b"x" * BODY_BYTES_MAX, b"x"], 413, "bodies_too_large", "send less at once"),
            ([], [b"x"], 408, "bodies_too_late", "did not come whole within 60 seconds"),
            ([(b"hx-request", b"true")], [b"x"], 408, "bodies_too_late", ""),
            ([(b"accept-language", b"de")], [b"x"], 408, "bodies_too_late", 'lang="de"'),
        ],
    )
    async def test_who_sends_too_much_or_too_slowly_is_told(
        self, headers: Any, bodies: list[bytes], status: int, count: str, said: str
    ) -> None:
        counts, sent = ClientCounts(), []

        async def page(scope: Any, receive: Any, send: Any) -> None:
            while (await receive())["more_body"]:
                pass

        async def receive() -> Any:
            if not bodies:
                await asyncio.Event().wait()
            return {"type": "http.request", "body": bodies.pop(0), "more_body": True}

        async def send(message: Any) -> None:
            sent.append(message)

        bounded = BoundedClients(page, counts=counts, body_timeout_s=0.1)
        await bounded(scope_of("/", "", *headers), receive, send)
        assert sent[0]["status"] == status
        text = " ".join(sent[1]["body"].decode().split())
        assert said in text if said else text == ""
        told = dict(sent[0]["headers"])
        assert told[b"X-Failure"] == (b"late" if status == 408 else b"large")
        assert told[b"Content-Length"] == b"%d" % len(sent[1]["body"])
        assert b"default-src 'self'" in told[b"Content-Security-Policy"]
        assert getattr(counts, count) == 1


def test_a_person_has_a_bounded_number_of_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "STREAMS_PER_PERSON_MAX", 2)
    one, other = session_of(make_user()), session_of(make_user())
    with Server().running() as server, server.get("/live/", session=one) as first:
        assert first.status == 200
        with server.get("/live/", session=one) as second, server.get("/live/", session=one) as more:
            assert (second.status, more.status) == (200, 429)
            assert more.response.getheader("Retry-After")
            with server.get("/live/", session=other) as others:
                assert others.status == 200
        assert server.service.refused_of_person == 1
        until(lambda: server.service.streams == 1, "the streams that ended are counted")
        with server.get("/live/", session=one) as again:
            assert again.status == 200
