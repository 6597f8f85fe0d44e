"""Exports: what they hold, and the bounds on how many, how large and how slow they may be."""

from __future__ import annotations

import csv
import gc
import io
import json
import threading
import weakref
from typing import TYPE_CHECKING, Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connection
from django.test import AsyncClient, Client

from console import exports
from console.exports import EXPORTS
from console.models import Role, User
from console.spool import Spool
from console.views.audit import WRITERS
from ledger.models import AuditEvent
from tests.factories import make_site, make_user

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.usefixtures("committed_db")
JSONL = "/audit/export/jsonl/"


def record(site: Any = None, **values: Any) -> AuditEvent:
    return AuditEvent.objects.create(
        **{"actor_name": "a program", "action": "site.changed", "site": site, **values}
    )


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def content(answer: Any) -> bytes:
    assert answer.status_code == 200
    return b"".join(answer.streaming_content)


@pytest.fixture(autouse=True)
def outcomes(tmp_path: Any, settings: Any) -> Iterator[Any]:
    settings.VAR_DIR = tmp_path
    EXPORTS.outcomes.clear()
    yield EXPORTS.outcomes
    assert EXPORTS.open_count == 0
    assert list(tmp_path.iterdir()) == []


def test_the_audit_export_holds_what_the_person_may_see() -> None:
    site = make_site("S1")
    own, other, nowhere = record(site), record(make_site("S2")), record()
    everything = {own.pk, other.pk, nowhere.pk}
    seen = {
        Role.AUDITOR: everything,
        Role.APPROVER: everything,
        Role.STAFF: everything,
        Role.ADMINISTRATOR: everything,
        Role.MANAGER: {own.pk},
        Role.FRONTEND: set(),
    }
    for role, expected in seen.items():
        lines = content(client_of(make_user(role, site)).get(JSONL)).splitlines()
        assert {json.loads(line)["id"] for line in lines} == expected


def test_the_audit_export_holds_what_the_filter_leaves(outcomes: Any) -> None:
    record(make_site("S1"), subject='=HYPERLINK("x")', detail={"note": "ü"})
    record(action="site.registered")
    reader = client_of(make_user(Role.AUDITOR))
    answer = reader.get("/audit/export/csv/?action=site.changed")
    data = content(answer)
    [row] = list(csv.DictReader(io.StringIO(data.decode())))
    assert (row["site"], row["subject"]) == ("S1", '\'=HYPERLINK("x")')
    assert json.loads(row["detail"]) == {"note": "ü"}
    assert answer["Content-Disposition"].startswith('attachment; filename="audit-')
    assert answer["Content-Length"] == str(len(data))
    assert reader.get("/audit/export/xlsx/").status_code == 404
    assert outcomes == {"sent": 1}


def test_one_person_has_a_bounded_number_at_a_time(settings: Any, outcomes: Any) -> None:
    settings.EXPORTS_PER_PERSON_MAX = 1
    one, other = client_of(make_user()), client_of(make_user())
    first = one.get(JSONL)
    refused = one.get(JSONL)
    assert (refused.status_code, refused["Retry-After"]) == (429, "60")
    assert "You have an export under way" in refused.text
    content(other.get(JSONL))
    first.close()
    content(one.get(JSONL))
    assert outcomes == {"left": 1, "refused": 1, "sent": 2}


def test_all_together_have_a_bounded_number_at_a_time(settings: Any, outcomes: Any) -> None:
    settings.EXPORTS_MAX = 1
    first = client_of(make_user()).get(JSONL)
    refused = client_of(make_user()).get(JSONL)
    assert (refused.status_code, refused["Retry-After"]) == (429, "60")
    assert "One export is under way" in refused.text
    content(first)
    assert outcomes == {"sent": 1, "refused": 1}


def test_one_that_is_too_large_says_so_instead(settings: Any, outcomes: Any) -> None:
    settings.EXPORT_MB_MAX = 1
    record(detail={"note": "x" * 1_000_001})
    answer = client_of(make_user()).get(JSONL)
    assert answer.status_code == 422
    assert "It would be larger than 1 MB." in answer.text
    assert outcomes == {"too_large": 1}


def test_one_that_finds_no_room_says_so_instead(settings: Any, outcomes: Any) -> None:
    one = client_of(make_user())
    record()
    settings.EXPORT_MB_LEFT_MIN = 10**9
    answer = one.get(JSONL)
    assert answer.status_code == 507
    assert "The disk of the console is too full for it." in answer.text
    settings.EXPORT_MB_LEFT_MIN = 0
    content(one.get(JSONL))
    assert outcomes == {"no_room": 1, "sent": 1}


@pytest.mark.parametrize("writing_max_s", [-1, 0])
def test_one_that_takes_too_long_says_so_instead(
    monkeypatch: pytest.MonkeyPatch, outcomes: Any, writing_max_s: int
) -> None:
    monkeypatch.setattr(exports, "WRITING_MAX_S", writing_max_s)
    monkeypatch.setattr(exports, "_STATEMENT_MAX_S", 60)
    record()
    answer = client_of(make_user()).get(JSONL)
    assert answer.status_code == 422
    assert "It was not written within" in answer.text
    assert outcomes == {"too_long": 1}


async def test_one_that_lasts_is_sent_while_it_is_written_and_all_is_of_one_moment(
    monkeypatch: pytest.MonkeyPatch, outcomes: Any
) -> None:
    monkeypatch.setattr(exports, "ANSWER_AFTER_S", 0)
    await sync_to_async(lambda: [record(detail={"note": "x" * 10_000}) for _ in range(100)])()
    client = AsyncClient()
    await client.aforce_login(await sync_to_async(make_user)())
    answer = await client.get(JSONL)
    data = b"".join([piece async for piece in answer.streaming_content])
    assert data.count(b"\n") == 100
    assert "Content-Length" not in answer
    assert outcomes == {"sent": 1}
    await sync_to_async(lambda: connection.close())()


async def test_a_reader_who_never_begins_gives_the_place_back(outcomes: Any) -> None:
    client = AsyncClient()
    await client.aforce_login(await sync_to_async(make_user)())
    answer: Any = await client.get(JSONL)
    assert EXPORTS.open_count == 1
    answer.close()
    assert EXPORTS.open_count == 0
    assert outcomes == {"left": 1}
    await sync_to_async(lambda: connection.close())()


async def test_a_reader_who_is_too_slow_is_given_up(
    monkeypatch: pytest.MonkeyPatch, outcomes: Any
) -> None:
    monkeypatch.setattr(exports, "READING_MAX_S", 0)
    await sync_to_async(record)()
    client = AsyncClient()
    await client.aforce_login(await sync_to_async(make_user)())
    answer = await client.get(JSONL)
    with pytest.raises(exports.SpoolTooLong):
        [piece async for piece in answer.streaming_content]
    assert outcomes == {"too_long": 1}
    await sync_to_async(lambda: connection.close())()


async def test_one_that_fails_before_its_answer_begins_is_not_taken_for_the_whole(
    monkeypatch: pytest.MonkeyPatch, outcomes: Any
) -> None:
    def lines(parts: Any) -> Iterator[bytes]:
        yield b"half"
        raise ValueError("no more")

    async def ended_unheard(spool: Spool, timeout_s: float | None = None) -> None:
        await spool._done.wait()

    monkeypatch.setitem(WRITERS, "jsonl", (lines, "application/jsonl"))
    monkeypatch.setattr(Spool, "ended", ended_unheard)
    monkeypatch.setattr("console.spool.PIECE_BYTES", 1)
    client = AsyncClient()
    await client.aforce_login(await sync_to_async(make_user)())
    answer = await client.get(JSONL)
    assert "Content-Length" not in answer
    with pytest.raises(ValueError, match="no more"):
        [piece async for piece in answer.streaming_content]
    assert outcomes == {"failed": 1}
    await sync_to_async(lambda: connection.close())()


def test_one_that_nobody_holds_is_given_back_while_another_is_taken(settings: Any) -> None:
    class TidiesUp(int):
        def __le__(self, other: int) -> bool:
            gc.collect()
            return super().__le__(other)

    class Forgotten:
        def __init__(self) -> None:
            self.itself = self

    settings.EXPORTS_PER_PERSON_MAX = TidiesUp(2)
    places = exports.Exports()
    places.take(1)
    weakref.finalize(Forgotten(), places.give_back, 1, "left")
    taking = threading.Thread(target=places.take, args=[1], daemon=True)
    taking.start()
    taking.join(10)
    assert not taking.is_alive()
    assert places.open_count == 1
    assert places.outcomes == {"left": 1}
