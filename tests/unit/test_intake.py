"""Messages end in the batch as an entry, an event, a live state or a rejection: never nowhere."""

from __future__ import annotations

import datetime
import json
from collections import Counter

import pytest

from ingest.batch import BATCH_ENTRIES_MAX, DETAIL_CHARS_MAX, Batch
from ingest.intake import Intake
from ingest.live import LiveStates
from ingest.sites import SiteConfig, SiteRegistry
from tests.mutations import mutated_messages

SITE = SiteConfig(
    1,
    "Europe/London",
    products=frozenset({"E10", "B7"}),
    fuelling_points=frozenset({1, 2}),
    first_day=datetime.date(2020, 1, 1),
)
ENTRY = {
    "fiscal_day": "2026-11-20",
    "sequence": 1,
    "kind": "sale",
    "occurred_at": "2026-11-20T12:00:00Z",
    "product": "E10",
    "amount": "47.93",
}
LEDGER = b"forecourt/v1/LON-1/ledger"


def make_intake() -> tuple[Intake, LiveStates]:
    """An intake that knows the site LON-1."""
    sites, live = SiteRegistry(), LiveStates()
    sites.by_code = {"LON-1": SITE}
    return Intake(sites, live), live


def taken(topic: bytes, payload: bytes) -> Batch:
    """A batch that holds what became of one message."""
    batch = Batch()
    assert make_intake()[0].take(batch, 0.0, [(topic, payload, 1)]) == 1
    return batch


@pytest.mark.parametrize("space", [b" ", b"\n", b"\t\r\n  "])
def test_white_space_before_an_entry_is_none_of_our_business(space: bytes) -> None:
    entry = json.dumps(ENTRY, indent=2).encode()
    assert len(taken(LEDGER, space + entry + space).rows) == 1
    assert len(taken(LEDGER, space + b"[" + entry + b"]").rows) == 1


def test_arrays_of_nothing_but_faults_fill_a_batch_too() -> None:
    batch = Batch()
    messages = [
        (LEDGER, json.dumps([f"{number}/{item}" for item in range(1000)]).encode(), number)
        for number in range(1, 251)
    ]
    taken = make_intake()[0].take(batch, 0.0, messages)
    assert taken == BATCH_ENTRIES_MAX // 1000
    assert batch.is_full


def test_an_explanation_quotes_no_more_than_it_needs() -> None:
    payload = json.dumps(ENTRY | {"amount": "9" * 100_000}).encode()
    (rejected,) = taken(LEDGER, payload).rejections.values()
    assert len(rejected.detail) <= DETAIL_CHARS_MAX + 3
    assert rejected.detail.startswith("amount: 999")
    assert rejected.detail.endswith("is too large (at most 10 digits before the point)")
    assert rejected.raw == payload


def test_whatever_is_published_ends_somewhere() -> None:
    """100,000 mutated messages on every lane: none crashes the intake, none vanishes."""
    intake, live = make_intake()
    ends: Counter[str] = Counter()
    for topic, payload in mutated_messages(20261120, 100_000):
        batch = Batch()
        intake.take(batch, 0.0, [(topic, payload, 7)])
        found = {
            "entry": len(batch.rows),
            "event": len(batch.events),
            "stranger": len(batch.strangers),
            "live": live.messages,
            **Counter(rejected.reason for rejected in batch.rejections.values()),
        }
        assert sum(found.values()) or is_empty_array(payload), (topic, payload)
        assert batch.packet_ids + batch.live_packet_ids == [7]
        for rejected in batch.rejections.values():
            assert rejected.detail
            assert rejected.raw in payload
        live.messages = 0
        live.next_round()
        ends.update(found)
    # Hardly any mutation of a date is another date; those days have tests of their own.
    del ends["implausible_day"]
    # Mutations that only ever met one end would prove little.
    assert set(ends) == {
        *("entry", "event", "stranger", "live"),
        *("malformed", "invalid", "unknown_topic"),
    }
    assert min(ends.values()) > 1_000, ends


def is_empty_array(payload: bytes) -> bool:
    """Tell whether a payload says correctly that there is nothing to say."""
    return payload.split() == [b"[]"] or payload.split() == [b"[", b"]"]


class TestImplausibleDays:
    """A day that the site cannot have makes nothing but a rejection."""

    FAR = ("0001-01-01", "1970-01-01", "2019-12-31", "2099-06-01", "9999-12-31")

    def _settled(self, topic: bytes, payload: bytes) -> Batch:
        intake = make_intake()[0]
        batch = Batch()
        intake.take(batch, 0.0, [(topic, payload, 1)])
        intake.settle_strangers(batch)
        return batch

    @pytest.mark.parametrize("day", FAR)
    def test_of_an_entry(self, day: str) -> None:
        payload = json.dumps(ENTRY | {"fiscal_day": day}).encode()
        batch = self._settled(LEDGER, payload)
        assert (batch.rows, batch.days) == ([], {})
        (rejected,) = batch.rejections.values()
        assert (rejected.reason, str(rejected.fiscal_day), rejected.sequence) == (
            "implausible_day", day, 1,
        )  # fmt: skip
        assert rejected.raw == payload

    @pytest.mark.parametrize("event", ["opened", "closed"])
    @pytest.mark.parametrize("day", FAR)
    def test_of_a_day_that_is_declared(self, day: str, event: str) -> None:
        told = {"event": event, "fiscal_day": day, "at": "2026-11-20T12:00:00Z", "last_sequence": 0}
        batch = self._settled(b"forecourt/v1/LON-1/day", json.dumps(told).encode())
        assert (batch.events, batch.days) == ([], {})
        (rejected,) = batch.rejections.values()
        assert (rejected.reason, str(rejected.fiscal_day)) == ("implausible_day", day)

    def test_of_some_items_of_an_array(self) -> None:
        items = [ENTRY | {"sequence": n, "fiscal_day": day} for n, day in enumerate(self.FAR, 2)]
        batch = self._settled(LEDGER, json.dumps([ENTRY, *items]).encode())
        assert [str(day) for _, day in batch.days] == ["2026-11-20"]
        assert len(batch.rows) == 1
        found = [(one.item_index, one.sequence, one.reason) for one in batch.rejections.values()]
        assert found == [(n, n + 1, "implausible_day") for n in range(1, 6)]
        raws = [json.loads(one.raw)["fiscal_day"] for one in batch.rejections.values()]
        assert raws == list(self.FAR)

    @pytest.mark.parametrize(
        ("zone", "latest"),
        [
            ("Pacific/Kiritimati", "2026-11-23"),
            ("Europe/London", "2026-11-22"),
            ("Pacific/Niue", "2026-11-21"),
        ],
    )
    def test_today_is_the_site_s_own(self, zone: str, latest: str) -> None:
        intake, _ = make_intake()
        intake._sites.by_code = {"LON-1": SITE._replace(timezone=zone)}
        batch = Batch()
        at = datetime.datetime(2026, 11, 20, 10, 30, tzinfo=datetime.UTC)
        after = datetime.date.fromisoformat(latest) + datetime.timedelta(days=1)
        for day in (latest, after.isoformat()):
            payload = json.dumps(ENTRY | {"fiscal_day": day}).encode()
            intake.take(batch, 0.0, [(LEDGER, payload, 1)], told_at=at)
        assert [str(day) for _, day in batch.days] == [latest]
        (rejected,) = batch.rejections.values()
        assert rejected.detail == f"the fiscal day {after} is later than {latest}"

    def test_the_site_is_asked_for_anew_before_the_past_is_refused(self) -> None:
        intake, _ = make_intake()
        batch = Batch()
        old = json.dumps([ENTRY, ENTRY | {"fiscal_day": "2012-08-23"}]).encode()
        intake.take(batch, 0.0, [(LEDGER, old, 1)])
        assert (batch.rows, len(batch.strangers)) == ([], 1)
        moved = SITE._replace(first_day=datetime.date(2012, 8, 23))
        intake._sites.by_code = {"LON-1": moved}
        intake.settle_strangers(batch)
        assert (len(batch.rows), batch.rejections, batch.strangers) == (2, {}, [])

    def test_arrays_of_the_past_fill_a_batch_like_any(self) -> None:
        """Else one site's old history makes a transaction that all others wait for."""
        old = json.dumps(
            [ENTRY | {"sequence": n, "fiscal_day": "2012-08-23"} for n in range(1, 1001)]
        ).encode()
        intake, batch = make_intake()[0], Batch()
        taken = intake.take(batch, 0.0, [(LEDGER, old, number) for number in range(1, 11)])
        assert taken == BATCH_ENTRIES_MAX // 1000
        assert batch.is_full
        intake.settle_strangers(batch)
        assert len(batch.rejections) == 1000
        assert not batch.stranger_entries
