"""The ASGI application as a server process runs it: its pool, and its end."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from django.db import connection
from prometheus_client.parser import text_string_to_metric_families

from tests.factories import make_user
from tests.integration.conftest import CONSOLE_NAME, POOL_MAX
from tests.live import Stream, session_of

if TYPE_CHECKING:
    from collections.abc import Callable

#: A server that waits for its streams waits for ever; one that ends them needs a moment.
STOP_MAX_S = 2


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_open_streams_do_not_delay_the_end(start_console, stop: signal.Signals) -> None:
    process, port = start_console()
    session = session_of(make_user())
    with contextlib.ExitStack() as stack:
        streams = [
            stack.enter_context(contextlib.closing(Stream(port, "/live/", session=session)))
            for _ in range(20)
        ]
        assert {stream.status for stream in streams} == {200}
        process.send_signal(stop)
        began = time.monotonic()
        _, errors = process.communicate(timeout=30)
        assert time.monotonic() - began < STOP_MAX_S
        assert [stream.read_to_end() for stream in streams] == [b""] * 20
    assert "Traceback" not in errors
    assert "ERROR" not in errors


def test_requests_share_a_few_connections(start_console) -> None:
    process, port = start_console()

    def health(_: int) -> int:
        with contextlib.closing(Stream(port, "/health/")) as answer:
            return answer.status

    with ThreadPoolExecutor(16) as threads:
        assert set(threads.map(health, range(64))) == {200}
    with connection.cursor() as cursor:
        cursor.execute(
            # Of that process alone: those that ran before in this one may have kept some.
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = %s",
            [CONSOLE_NAME],
        )
        (count,) = cursor.fetchone()
    assert 1 <= count <= POOL_MAX
    process.terminate()
    _, errors = process.communicate(timeout=30)
    assert "Traceback" not in errors


def test_it_tells_monitoring_of_its_streams_and_its_pool(
    start_console: Callable[[], tuple[subprocess.Popen, int]],
) -> None:
    _, port = start_console()
    session = session_of(make_user())

    def figures() -> dict[str, float]:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            families = text_string_to_metric_families(answer.read().decode())
            return {
                sample.name.removeprefix("forecourt_console_"): sample.value
                for family in families
                for sample in family.samples
            }

    assert figures()["viewers"] == 0
    with contextlib.closing(Stream(port, "/live/", session=session)) as stream:
        assert stream.event() is not None
        # Its first piece is sent before all are rendered, and the rendering is counted after that.
        deadline = time.monotonic() + 10
        while (watched := figures())["renders_total"] < 1:
            assert time.monotonic() < deadline, "no rendering was ever counted"
    assert (watched["streams"], watched["viewers"], watched["topics"]) == (1, 1, 1)
    assert watched["listening"] == 1
    assert watched["database_pool_max"] == POOL_MAX
    assert watched["database_requests_total"] > 0
