"""What a web process tidies up."""

from __future__ import annotations

import asyncio
import datetime

import psycopg
import pytest
from asgiref.sync import sync_to_async
from django.contrib.sessions.models import Session
from django.db import InterfaceError, OperationalError, connection
from django.utils import timezone

from console import housekeeping
from console.housekeeping import Housekeeping


def make_sessions(ended: int, going_on: int) -> None:
    hour = datetime.timedelta(hours=1)
    Session.objects.bulk_create(
        Session(
            session_key=f"key-{number}",
            session_data="",
            expire_date=timezone.now() + (-hour if number < ended else hour),
        )
        for number in range(ended + going_on)
    )


async def test_sessions_that_ended_are_deleted_some_at_a_time_and_counted(
    committed_db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(housekeeping, "FIRST_AFTER_MAX_S", 0)
    monkeypatch.setattr(housekeeping.sessions_clear, "__kwdefaults__", {"at_once": 2})
    await sync_to_async(make_sessions)(5, 2)
    kept = Housekeeping()
    cleared = kept.all_cleared
    kept.start()
    await cleared.wait()
    await kept.stop()
    assert kept.sessions_cleared == 5
    assert await sync_to_async(Session.objects.count)() == 2
    await sync_to_async(lambda: connection.close())()


@pytest.mark.parametrize("kind", [InterfaceError, OperationalError, psycopg.OperationalError])
async def test_a_line_that_breaks_does_not_end_it_for_good(
    monkeypatch: pytest.MonkeyPatch, kind: type[Exception]
) -> None:
    errors = [kind("connection already closed")]

    def clear() -> int:
        if errors:
            raise errors.pop()
        return 0

    monkeypatch.setattr(housekeeping, "FIRST_AFTER_MAX_S", 0)
    monkeypatch.setattr(housekeeping, "SESSIONS_CLEARED_EVERY_S", 0)
    monkeypatch.setattr(housekeeping, "sessions_clear", clear)
    kept = Housekeeping()
    cleared = kept.all_cleared
    kept.start()
    async with asyncio.timeout(10):
        await cleared.wait()
    await kept.stop()
    assert not errors
