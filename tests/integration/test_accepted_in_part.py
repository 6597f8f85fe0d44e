"""Accepting many messages, of which one cannot be stored now: what was done is said."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from django.db import connection
from django.test import Client

from console.models import Role
from console.views import quarantine as views
from ledger.models import Correction, Quarantine
from ledger.services import transactions
from ledger.services.quarantine import quarantine_accept
from tests.factories import make_day, make_forecourt, make_quarantined, make_user

pytestmark = pytest.mark.usefixtures("committed_db")
DAYS = ("2026-11-21", "2026-11-22", "2026-11-23")


@pytest.fixture
def messages() -> list[Quarantine]:
    """A conflict of each of three days."""
    site = make_forecourt("S1")
    for day in DAYS:
        make_day(site, fiscal_day=day)
    return [
        make_quarantined(
            site=site, reason="conflicting_duplicate", fiscal_day=day, sequence=1,
            raw=b'{"fiscal_day": "%b", "sequence": 1, "kind": "sale", "product": "E10", '
            b'"occurred_at": "%bT12:00:00Z", "amount": "9.99"}' % (day.encode(), day.encode()),
        )
        for day in DAYS
    ]  # fmt: skip


def accept_all(messages: list[Quarantine]) -> Any:
    client = Client()
    client.force_login(make_user(Role.STAFF))
    decision = {"action": "accept", "note": "the till is right", "last_id": messages[-1].pk}
    return client.post("/quarantine/decide/", decision)


def outcomes(messages: list[Quarantine]) -> list[str]:
    found = dict(Quarantine.objects.values_list("pk", "outcome"))
    return [found[one.pk] for one in messages]


def other_session() -> psycopg.Connection[Any]:
    known = connection.settings_dict
    return psycopg.connect(host=known["HOST"], dbname=known["NAME"], user=known["USER"])


@pytest.mark.parametrize("held", [0, 1])
def test_one_that_is_held_ends_it(
    messages: list[Quarantine], monkeypatch: pytest.MonkeyPatch, held: int
) -> None:
    monkeypatch.setattr(transactions, "LOCK_TIMEOUT_MS", 30)
    with other_session() as other:
        other.execute("SELECT FROM fiscal_day WHERE fiscal_day = %s FOR UPDATE", [DAYS[held]])
        answer = accept_all(messages)
        other.rollback()
    assert outcomes(messages) == ["accepted"] * held + ["waiting"] * (3 - held)
    assert Correction.objects.count() == held
    if held:
        assert answer.status_code == 200
        assert [one.message for one in answer.context["accepted"]] == messages[:1]
        assert [one.message for one in answer.context["refused"]] == messages[1:2]
        assert "could not be stored now, and those after it still wait" in answer.text
    else:
        assert (answer.status_code, answer["X-Failure"]) == (503, "locked")
    answer = accept_all(messages)
    assert [one.message for one in answer.context["accepted"]] == messages[held:]


def test_one_that_may_be_stored_is_not_said_to_wait(
    messages: list[Quarantine], monkeypatch: pytest.MonkeyPatch
) -> None:
    def accept(*, message: Quarantine, **rest: Any) -> Correction:
        if message == messages[1]:
            raise transactions.CommitUnknownError("the line broke")
        return quarantine_accept(message=message, **rest)

    monkeypatch.setattr(views, "quarantine_accept", accept)
    answer = accept_all(messages)
    assert (answer.status_code, answer["X-Failure"]) == (503, "unknown")
    assert outcomes(messages) == ["accepted", "waiting", "waiting"]
