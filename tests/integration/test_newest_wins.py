"""The one rule of what newest wins: in memory and in the database the same."""

from __future__ import annotations

import datetime
from itertools import product
from typing import NamedTuple

import pytest
from django.db import connection

from ingest.newest import newest_wins

pytestmark = pytest.mark.django_db


class Told(NamedTuple):
    """When something happened by its own clock, and when it was received."""

    at: datetime.datetime
    received_at: datetime.datetime

    def wins_over(self, known: Told) -> bool:
        return newest_wins(*self, *known)


NOON = datetime.datetime(2026, 11, 20, 12, tzinfo=datetime.UTC)
IN_2031 = datetime.datetime(2031, 1, 1, tzinfo=datetime.UTC)
TIMES = [NOON + datetime.timedelta(hours=hours) for hours in (-1, 0, 1)]
TOLD = [Told(at, received_at) for at, received_at in product([*TIMES, IN_2031], TIMES)]


def test_memory_and_database_judge_alike() -> None:
    pairs = list(product(TOLD, TOLD))
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT newest_wins(a, b, c, d) FROM unnest(%s::timestamptz[], %s::timestamptz[], "
            "%s::timestamptz[], %s::timestamptz[]) WITH ORDINALITY AS told (a, b, c, d, n) "
            "ORDER BY n",
            [
                [new.at for new, _ in pairs],
                [new.received_at for new, _ in pairs],
                [known.at for _, known in pairs],
                [known.received_at for _, known in pairs],
            ],
        )
        judged = [wins for (wins,) in cursor.fetchall()]
    assert judged == [new.wins_over(known) for new, known in pairs]
    assert set(judged) == {True, False}


@pytest.mark.parametrize("known", [told for told in TOLD if told.at > told.received_at])
def test_a_time_in_the_future_gives_way_to_whatever_is_received_later(known: Told) -> None:
    later = known.received_at + datetime.timedelta(seconds=1)
    for at in (NOON - datetime.timedelta(days=400), later, IN_2031):
        assert Told(at, later).wins_over(known)
        assert not known.wins_over(Told(at, later))


def test_what_arrives_late_takes_nothing_back() -> None:
    known = Told(NOON, NOON)
    assert not Told(NOON - datetime.timedelta(seconds=1), IN_2031).wins_over(known)
    assert Told(NOON, NOON).wins_over(known)
