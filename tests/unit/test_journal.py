"""The simulator's journal: what waits, what is sent again, and who may use it."""

from __future__ import annotations

import datetime
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.simulator.journal import Journal, JournalError, NewMessage

DAY = datetime.date(2026, 11, 22)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "state.sqlite3"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    journal = Journal(path)
    yield journal
    journal.close()


def keep(journal: Journal, *sequences: int, site: str = "S", waiting: bool = True) -> None:
    messages = [
        NewMessage("ledger", DAY, sequence, str(sequence).encode(), waiting=waiting)
        for sequence in sequences
    ]
    journal.keep(site, seed=7, state=b"state", messages=messages)


def payloads(journal: Journal, site: str = "S") -> list[bytes]:
    return [message.payload for message in journal.waiting(site, 100)]


def test_what_is_kept_waits_until_it_is_acknowledged(journal: Journal) -> None:
    keep(journal, 1, 2, 3)
    keep(journal, 1, site="OTHER")
    waiting = journal.waiting("S", 2)
    assert [message.payload for message in waiting] == [b"1", b"2"]
    journal.acknowledged(waiting)
    assert payloads(journal) == [b"3"]
    assert payloads(journal, "OTHER") == [b"1"]
    assert journal.state("S") == (7, b"state")


def test_entries_are_sent_again_also_those_that_were_lost(journal: Journal) -> None:
    keep(journal, 1, 2, 4, 5)
    keep(journal, 3, waiting=False)
    journal.acknowledged(journal.waiting("S", 100))
    assert payloads(journal) == []
    assert journal.send_again("S", DAY, [(2, 3), (5, 9)]) == 3
    assert sorted(payloads(journal)) == [b"2", b"3", b"5"]
    assert journal.send_again("S", DAY + datetime.timedelta(days=1), [(1, 9)]) == 0


def test_all_since_a_day_is_sent_again_in_its_order(journal: Journal) -> None:
    """Openings, entries, deliveries and closings; no alarm, which was news once."""
    for ago in (2, 1, 0):
        day = DAY - datetime.timedelta(days=ago)
        messages = [
            NewMessage(lane, day, 1 if lane == "ledger" else None, f"{lane} {ago}".encode())
            for lane in ("day", "ledger", "deliveries", "alarms")
        ]
        journal.keep("S", seed=7, state=b"state", messages=messages)
    journal.acknowledged(journal.waiting("S", 100))
    assert journal.send_again_since("OTHER", DAY) == 0
    assert journal.send_again_since("S", DAY - datetime.timedelta(days=1)) == 6
    assert payloads(journal) == [
        f"{lane} {ago}".encode() for ago in (1, 0) for lane in ("day", "ledger", "deliveries")
    ]


def test_a_failed_write_leaves_nothing(journal: Journal) -> None:
    keep(journal, 1)
    with pytest.raises(sqlite3.IntegrityError):
        keep(journal, 2, 1)
    assert payloads(journal) == [b"1"]


def test_it_forgets_what_is_old_and_acknowledged(journal: Journal) -> None:
    keep(journal, 1, 2)
    journal.acknowledged(journal.waiting("S", 1))
    journal.forget_before("S", DAY + datetime.timedelta(days=1))
    assert payloads(journal) == [b"2"]
    assert journal.send_again("S", DAY, [(1, 2)]) == 1


def test_it_outlives_its_process(path: Path) -> None:
    first = Journal(path)
    keep(first, 1)
    first.close()
    second = Journal(path)
    assert payloads(second) == [b"1"]
    second.close()


def test_two_simulators_may_not_share_it(journal: Journal, path: Path) -> None:
    keep(journal, 1)
    with pytest.raises(JournalError, match="Another simulator is using"):
        Journal(path)


def test_another_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("no database at all, only some words " * 10)
    with pytest.raises(JournalError, match="is no simulator state"):
        Journal(path)


def test_another_format_is_refused(path: Path) -> None:
    Journal(path).close()
    other = sqlite3.connect(path)
    other.execute("PRAGMA user_version = 99")
    other.close()
    with pytest.raises(JournalError, match=r"written by another version \(format 99"):
        Journal(path)
