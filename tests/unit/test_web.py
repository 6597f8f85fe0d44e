"""Connections whose other end never reads."""

from __future__ import annotations

import contextlib
import select
import socket

import pytest

from console.embedded.web import break_off_stalled

TIMEOUT_S = 20


def test_the_kernel_breaks_off_who_takes_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        break_off_stalled(listening, after_ms=600)
        with socket.create_connection(listening.getsockname()):
            accepted, _ = listening.accept()
            with accepted:
                accepted.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    while True:
                        accepted.send(b"nobody reads this" * 4096)
                broken = select.poll()
                broken.register(accepted, 0)
                assert broken.poll(TIMEOUT_S * 1000)
                with pytest.raises(TimeoutError):
                    accepted.send(b"more")
