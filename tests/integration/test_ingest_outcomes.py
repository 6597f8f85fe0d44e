"""Each row of the contract's table of outcomes, through a real broker into the real database."""

from __future__ import annotations

import datetime
import json
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from asgiref.sync import sync_to_async
from django.db import connection

from ingest.mqtt import FRAME_BYTES_MAX
from ledger.models import (
    Correction,
    DayTotal,
    Entry,
    FiscalDay,
    Kind,
    Payment,
    Product,
    Quarantine,
    Site,
)  # fmt: skip
from ledger.services.corrections import Draft, correction_propose
from tests.factories import make_entry, make_forecourt, make_user
from tests.integration.conftest import Rig

NOON = "2026-11-20T12:00:00+00:00"
DAY = "2026-11-20"


def entry(number: int = 1, **changes: Any) -> dict[str, Any]:
    """A sale as a controller sends it; None leaves a field out."""
    fields = {
        "fiscal_day": DAY,
        "sequence": number,
        "kind": "sale",
        "occurred_at": NOON,
        "product": "E10",
        "amount": "47.93",
        "volume": "32.407",
        "unit_price": "1.479",
        "fuelling_point": 1,
        "nozzle": 1,
        "tank": 1,
        "tax_rate": "20.00",
        "payment": "card",
        **changes,
    }
    return {name: value for name, value in fields.items() if value is not None}


@sync_to_async
def rows(model: Any, *fields: str, **filters: Any) -> list[Any]:
    """Values of a table, in the order of its key. Runs in a thread, as the ORM wants it."""
    try:
        return list(model.objects.filter(**filters).order_by("pk").values_list(*fields))
    finally:
        connection.close()


@pytest.fixture
def site(committed_db: None) -> str:
    return make_forecourt("LON-1").code


LEDGER = "forecourt/v1/LON-1/ledger"


async def test_a_new_entry_is_one_row_with_its_totals(rig: Rig, site: str) -> None:
    rig.start_worker()
    await rig.publish((LEDGER, entry(1)), (LEDGER, entry(2, product="B7", kind="test", amount=0)))
    await rig.until("SELECT count(*) FROM entry", 2)
    assert await rows(Entry, "sequence", "kind", "product", "flags") == [
        (1, 1, "E10", 0),
        (2, 3, "B7", 0),
    ]
    totals = await rows(DayTotal, "product", "kind", "count", "volume", "amount", "tax")
    assert [(p, k, c, str(v), str(a), str(t)) for p, k, c, v, a, t in totals] == [
        ("B7", 3, 1, "32.407", "0.00", "0.00"),
        ("E10", 1, 1, "32.407", "47.93", "7.99"),
    ]
    assert await rows(FiscalDay, "entry_count", "highest_sequence", "closed_at") == [(2, 2, None)]


async def test_a_repeat_is_counted_and_changes_nothing(embedded_rig: Rig, site: str) -> None:
    rig = embedded_rig
    rig.start_worker()
    same_moment = entry(1, occurred_at="2026-11-20T13:00:00+01:00", amount=47.93)
    await rig.publish((LEDGER, entry(1)), (LEDGER, entry(1)), (LEDGER, same_moment))
    await rig.until("SELECT sum(duplicates) FROM pulse", 2)
    assert await rows(DayTotal, "count") == [(1,)]
    assert await rows(Quarantine, "reason") == []


async def test_other_content_under_the_same_key_is_quarantined(
    embedded_rig: Rig, site: str
) -> None:
    rig = embedded_rig
    rig.start_worker()
    await rig.publish((LEDGER, entry(1)), (LEDGER, entry(1, amount="47.94")))
    await rig.until("SELECT count(*) FROM quarantine", 1)
    assert await rows(Entry, "amount") == [(entry_amount("47.93"),)]
    reason, detail, sequence, raw = (await rows(Quarantine, "reason", "detail", "sequence", "raw"))[
        0
    ]
    assert (reason, sequence) == ("conflicting_duplicate", 1)
    assert detail == "the ledger holds another entry 1 of 2026-11-20"
    assert b"47.94" in bytes(raw)


def entry_amount(text: str) -> Any:
    return Entry._meta.get_field("amount").to_python(text)


async def test_a_day_that_cannot_be_is_quarantined_and_makes_no_day_and_no_partition(
    embedded_rig: Rig, site: str
) -> None:
    rig = embedded_rig
    rig.start_worker()
    opened = {"event": "opened", "fiscal_day": "9999-12-31", "at": NOON}
    far = [entry(n, fiscal_day=day) for n, day in ((7, "1970-01-01"), (8, "2099-06-01"))]
    await rig.publish(
        (LEDGER, far[0]), (LEDGER, [entry(1), *far]), ("forecourt/v1/LON-1/day", opened)
    )
    # The same entry, alone and in the array, is one row that was seen twice.
    await rig.until("SELECT sum(seen) FROM quarantine", 4)
    assert await rows(FiscalDay, "fiscal_day", "entry_count") == [(datetime.date(2026, 11, 20), 1)]
    found = await rows(Quarantine, "reason", "fiscal_day", "sequence")
    assert sorted((str(day), reason, sequence) for reason, day, sequence in found) == [
        ("1970-01-01", "implausible_day", 7),
        ("2099-06-01", "implausible_day", 8),
        ("9999-12-31", "implausible_day", None),
    ]
    assert await rows(Entry, "sequence") == [(1,)]


async def test_an_entry_of_a_closed_day_is_accepted(embedded_rig: Rig, site: str) -> None:
    rig = embedded_rig
    rig.start_worker()
    total = {"product": "E10", "count": 1, "volume": "32.407", "amount": "47.93"}
    closed = {
        "event": "closed",
        "fiscal_day": DAY,
        "at": "2026-11-20T23:59:00Z",
        "last_sequence": 1,
        "totals": [total],
    }
    await rig.publish((LEDGER, entry(1)), ("forecourt/v1/LON-1/day", closed), (LEDGER, entry(2)))
    await rig.until("SELECT entry_count FROM fiscal_day", 2)
    day = await sync_to_async(FiscalDay.objects.get)(fiscal_day=DAY)
    assert day.status == "closed"
    assert (day.last_sequence, day.highest_sequence) == (1, 2)


async def test_an_entry_of_a_sealed_day_is_quarantined(embedded_rig: Rig, site: str) -> None:
    rig = embedded_rig
    rig.start_worker()
    await rig.publish((LEDGER, entry(1)))
    await rig.until("SELECT count(*) FROM entry", 1)
    await seal_days()
    opened = {"event": "opened", "fiscal_day": DAY, "at": NOON}
    await rig.publish((LEDGER, entry(1)), (LEDGER, entry(2)), ("forecourt/v1/LON-1/day", opened))
    await rig.until("SELECT count(*) FROM quarantine", 2)
    assert (
        await rows(Quarantine, "reason", "detail")
        == [("day_sealed", "the fiscal day 2026-11-20 is sealed")] * 2
    )
    await rig.until("SELECT sum(duplicates) FROM pulse", 1)
    assert await rows(Entry, "sequence") == [(1,)]


@sync_to_async
def seal_days() -> None:
    FiscalDay.objects.update(sealed_at=datetime.datetime(2026, 11, 21, tzinfo=datetime.UTC))
    connection.close()


BAD_PAYLOADS = {
    "not JSON": (b"{no", "malformed", "not JSON: "),
    "not UTF-8": (b'{"fiscal_day": "\xff"}', "malformed", "not UTF-8: byte 0xff at position 16"),
    "empty": (b"", "malformed", "not JSON: Input data was truncated"),
    "a word": (b'"sale"', "malformed", "Expected `object`, got `str`"),
    "a field missing": (
        entry(1, amount=None),
        "malformed",
        "Object missing required field `amount`",
    ),
    "a wrong type": (
        entry(1, sequence="one"),
        "malformed",
        "Expected `int`, got `str` - at `$.sequence`",
    ),
    "a naive time": (
        entry(1, occurred_at="2026-11-20T12:00:00"),
        "malformed",
        "Expected `datetime` with a timezone component - at `$.occurred_at`",
    ),
    "NaN": (entry(1, amount="NaN"), "invalid", "amount: NaN is not a finite number"),
    "NaN unquoted": (b'{"amount": NaN}', "malformed", "not JSON: "),
    "infinity": (
        entry(1, volume="Infinity"),
        "invalid",
        "volume: Infinity is not a finite number",
    ),
    "an exponent": (
        entry(1, amount="1e400"),
        "invalid",
        "amount: 1E+400 is too large (at most 10 digits before the point)",
    ),
    "a tenth of a cent": (
        entry(1, amount="47.935"),
        "invalid",
        "amount: 47.935 has more than 2 decimal places",
    ),
    "sequence 0": (entry(0), "invalid", "Expected `int` >= 1 - at `$.sequence`"),
    "a kind nobody knows": (
        entry(1, kind="gift"),
        "invalid",
        "Invalid enum value 'gift' - at `$.kind`",
    ),
    "sNaN": (entry(1, tax_rate="sNaN"), "invalid", "tax_rate: sNaN is not a finite number"),
    "a lone surrogate": (
        b'{"product": "\\ud800"}',
        "invalid",
        "holds half of a surrogate pair, \\ud800",
    ),
    "a decimal only Python reads": (
        entry(1, amount="1_0.00"),
        "invalid",
        "amount: '1_0.00' is no decimal of digits and one point",
    ),
    "a mark nobody sees": (
        entry(1, product="E\u202e10"),
        "invalid",
        "product: holds the character U+202E",
    ),
    "a time before the calendar": (
        entry(1, occurred_at="0001-01-01T00:00:00+14:00"),
        "invalid",
        "occurred_at: the year 1 is not between 2 and 9998",
    ),
    "a number too large": (
        entry(1, totalizer="1000000000000000"),
        "invalid",
        "totalizer: 1000000000000000 is too large (at most 15 digits before the point)",
    ),
    "a NUL": (entry(1, product="E\x0010"), "invalid", "product: holds a NUL character"),
}


async def test_bad_input_is_one_row_each_and_the_worker_goes_on(
    embedded_rig: Rig, site: str
) -> None:
    rig = embedded_rig
    rig.start_worker()
    huge = b'{"text": "' + b"x" * (1024 * 1024) + b'"}'
    await rig.publish(
        *[(LEDGER, payload) for payload, _, _ in BAD_PAYLOADS.values()],
        (LEDGER, huge),
        ("forecourt/v1/NOBODY/ledger", entry(1)),
        ("forecourt/v1/LON-1/gossip", {"who": "knows"}),
        (f"forecourt/v1/LON-1/pumps/{'1' * 5000}", b"{}"),
        ("forecourt/v2/LON-1/ledger", entry(1)),
        (LEDGER, entry(1)),
        (LEDGER, entry(1, amount="1.00")),
        (LEDGER, entry(2)),
    )
    await rig.until("SELECT count(*) FROM entry", 2)
    await rig.until("SELECT count(*) FROM quarantine", len(BAD_PAYLOADS) + 6)
    found = {(reason, detail) for reason, detail in await rows(Quarantine, "reason", "detail")}
    for name, (_, reason, detail) in BAD_PAYLOADS.items():
        assert any(r == reason and d.startswith(detail) for r, d in found), name
    assert found >= {
        ("oversize", f"a payload of {len(huge)} bytes; at most 1048576 are taken"),
        ("unknown_site", "no site is registered under the code 'NOBODY'"),
        (
            "unknown_topic",
            "forecourt/v1/LON-1/gossip: no lane 'gossip' in the contract",
        ),
        ("unknown_topic", "forecourt/v2/LON-1/ledger: only forecourt/v1/… is known"),
        ("conflicting_duplicate", "the ledger holds another entry 1 of 2026-11-20"),
    }
    oversize = await rows(Quarantine, "raw", "raw_size", reason="oversize")
    assert [(bytes(raw), size) for raw, size in oversize] == [(huge[:4096], len(huge))]


async def test_of_what_is_larger_than_the_worker_holds_the_beginning_is_kept(
    embedded_rig: Rig, site: str
) -> None:
    """As deployed, Mosquitto ends the connection of whoever sends as much; others pass it on."""
    embedded_rig.start_worker()
    vast = b"x" * (FRAME_BYTES_MAX + 1024 * 1024)
    await embedded_rig.publish((LEDGER, vast), (LEDGER, entry(1)))
    await embedded_rig.until("SELECT count(*) FROM entry", 1)
    await embedded_rig.until("SELECT count(*) FROM quarantine", 1)
    oversize = await rows(Quarantine, "raw", "raw_size", reason="oversize")
    assert [(bytes(raw), size) for raw, size in oversize] == [(vast[:4096], len(vast))]


async def test_the_good_items_of_an_array_are_taken(embedded_rig: Rig, site: str) -> None:
    rig = embedded_rig
    rig.start_worker()
    array = [entry(1), entry(2, amount="x"), entry(3), "what", entry(1, amount="9.99")]
    await rig.publish((LEDGER, array))
    await rig.until("SELECT count(*) FROM quarantine", 3)
    assert await rows(Entry, "sequence") == [(1,), (3,)]
    assert sorted(await rows(Quarantine, "item_index", "reason")) == [
        (1, "invalid"),
        (3, "malformed"),
        (4, "conflicting_duplicate"),
    ]


async def test_an_array_that_is_too_long_is_refused_whole(rig: Rig, site: str) -> None:
    rig.start_worker()
    await rig.publish((LEDGER, [entry(n) for n in range(1, 1002)]))
    await rig.until("SELECT count(*) FROM quarantine", 1)
    assert await rows(Quarantine, "reason", "detail") == [
        ("invalid", "an array of 1001 items; at most 1000 are taken")
    ]


@pytest.mark.parametrize(
    ("changes", "flags"),
    [
        ({"amount": "48.93"}, 1),
        ({"amount": "-47.93"}, 1 | 128),
        ({"kind": "refund"}, 1 | 128),
        ({"volume": "-32.407"}, 1 | 256),
        ({"volume": "0"}, 512),
        ({"product": "KEROSENE"}, 2),
        ({"fuelling_point": 99}, 4),
        ({"occurred_at": "2026-11-16T12:00:00Z"}, 8),
        ({"occurred_at": "2036-11-20T12:00:00Z"}, 8 | 16),
    ],
)
async def test_what_looks_wrong_is_kept_and_flagged(
    embedded_rig: Rig, site: str, changes: dict[str, Any], flags: int
) -> None:
    embedded_rig.start_worker()
    await embedded_rig.publish((LEDGER, entry(1, **changes)))
    await embedded_rig.until("SELECT flags FROM entry", flags)


async def test_a_totalizer_that_jumps_is_flagged(embedded_rig: Rig, site: str) -> None:
    rig = embedded_rig
    rig.start_worker()
    sold = {"volume": "10.000", "amount": "14.79"}
    await rig.publish(
        (LEDGER, entry(1, totalizer="1000.000", **sold)),
        (LEDGER, entry(2, totalizer="1010.000", **sold)),
        (LEDGER, entry(3, totalizer="5000.000", nozzle=2, product="B7", **sold)),
        (LEDGER, [entry(4, totalizer="1020.01", **sold), entry(5, totalizer="1130.00", **sold)]),
        # After a gap nobody knows what was sold in between.
        (LEDGER, entry(9, totalizer="2000.000", **sold)),
    )
    await rig.until("SELECT count(*) FROM entry", 6)
    assert await rows(Entry, "sequence", "flags") == [
        (1, 0), (2, 0), (3, 0), (4, 0), (5, 32), (9, 0),
    ]  # fmt: skip


async def test_messages_in_flight_survive_a_kill(rig: Rig, site: str) -> None:
    first = rig.start_worker()
    await rig.publish((LEDGER, entry(1)))
    await rig.until("SELECT count(*) FROM entry", 1)
    first.process.kill()
    first.process.wait()
    await rig.publish(*[(LEDGER, entry(n)) for n in range(2, 30)])
    rig.start_worker()
    await rig.until("SELECT count(*) FROM entry", 29)
    assert await rows(DayTotal, "count") == [(29,)]


async def test_a_stop_is_graceful_and_says_so(rig: Rig, site: str) -> None:
    worker = rig.start_worker()
    await rig.publish((LEDGER, entry(1)))
    await rig.until("SELECT count(*) FROM entry", 1)
    assert worker.stop() == 0
    assert (
        worker.log.read_text().strip().endswith("stopped as asked by SIGTERM, nothing left undone")
    )


async def test_a_second_worker_of_the_name_stands_by_and_takes_over(rig: Rig, site: str) -> None:
    first = rig.start_worker()
    await rig.publish((LEDGER, entry(1)))
    await rig.until("SELECT count(*) FROM entry", 1)
    second = rig.start_worker()
    await rig.until(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'ingest % lease'", 2
    )
    await rig.publish((LEDGER, entry(2)))
    await rig.until("SELECT count(*) FROM entry", 2)
    first.process.kill()
    first.process.wait()
    await rig.publish((LEDGER, entry(3)))
    await rig.until("SELECT count(*) FROM entry", 3)
    assert "standing by" in second.log.read_text()


async def test_what_postgresql_refuses_costs_only_itself(embedded_rig: Rig, site: str) -> None:
    """A rule that only the database knows stands for all that a decoder may overlook."""
    rig = embedded_rig
    async with await psycopg.AsyncConnection.connect(
        rig.database_url, autocommit=True
    ) as connection:
        await connection.execute(
            "ALTER TABLE entry ADD CONSTRAINT no_seven CHECK (sequence % 7 <> 0)"
        )
        try:
            rig.start_worker()
            array = json.dumps([entry(n) for n in range(1, 101)]).encode()
            await rig.publish((LEDGER, array), (LEDGER, entry(107)), (LEDGER, entry(119)))
            await rig.until("SELECT count(*) FROM entry", 87)
            await rig.until("SELECT count(*) FROM quarantine", 15)
        finally:
            await connection.execute("ALTER TABLE entry DROP CONSTRAINT no_seven")
    assert await rows(DayTotal, "count") == [(87,)]


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({"occurred_at": "2026-11-20T12:00:41+00:00", "device_transaction": 4711}, "duplicates"),
        ({"fuelling_point": 2}, "duplicates"),
        ({"amount": "47.94"}, "quarantined"),
        ({"occurred_at": "2026-11-20T12:01:00+00:00"}, "quarantined"),
        ({"tax_rate": "7.00"}, "quarantined"),
    ],
)
async def test_a_late_entry_is_compared_with_the_one_entered_by_hand(
    embedded_rig: Rig, site: str, changes: dict[str, Any], outcome: str
) -> None:
    rig = embedded_rig
    await sync_to_async(_enter_by_hand)(site)
    rig.start_worker()
    await rig.publish((LEDGER, entry(2, **changes)))
    await rig.until(f"SELECT sum({outcome}) FROM pulse", 1)
    assert await rows(Entry, "sequence", "flags", "amount") == [(2, 64, Decimal("47.93"))]
    reasons = [("conflicting_duplicate", 2)] if outcome == "quarantined" else []
    assert await rows(Quarantine, "reason", "sequence") == reasons


async def test_what_looks_the_same_is_the_same(embedded_rig: Rig, site: str) -> None:
    """A duplicate and a site's own product are known in any of Unicode's forms, and with a mark."""
    apart, composed = "Myti\u0301", "Myt\u00ed"
    await sync_to_async(_store_product_of_old)(site, apart)
    embedded_rig.start_worker()
    await embedded_rig.publish(
        (LEDGER, entry(1, product=f" {apart}")),
        (LEDGER, b"\xef\xbb\xbf" + json.dumps(entry(1, product=composed)).encode()),
        (LEDGER, json.dumps(entry(2, product=composed), ensure_ascii=False).encode()),
        (
            LEDGER,
            [entry(2, product=apart), entry(3, product="E\u200b10"), entry(4) | {"offline": None}],
        ),
    )
    await embedded_rig.until("SELECT sum(duplicates) FROM pulse", 3)
    await embedded_rig.until("SELECT count(*) FROM quarantine", 1)
    assert await rows(Entry, "sequence", "product", "flags") == [
        (1, apart, 0), (2, composed, 0), (4, "E10", 0),
    ]  # fmt: skip
    assert await rows(Quarantine, "reason", "detail", "item_index") == [
        ("invalid", "product: holds the character U+200B", 1)
    ]


def _store_product_of_old(code: str, product: str) -> None:
    """Register a product, and store a sale of it, as they were before texts were composed."""
    site = Site.objects.get(code=code)
    Product.objects.create(site=site, code=product, name="Wash", family="dry_goods")
    fields = {"product": product, "payment": Payment.CARD, "tax_rate": Decimal(20)}
    make_entry(
        site,
        fiscal_day=DAY,
        sequence=1,
        **fields,
        **dict.fromkeys(("fuelling_point", "nozzle", "tank"), 1),
    )
    FiscalDay.objects.update(entry_count=1, highest_sequence=1)


async def test_prices_are_checked_and_passed_by(embedded_rig: Rig, site: str) -> None:
    topic = LEDGER.replace("ledger", "prices")
    prices = {"at": NOON, "id": "7", "prices": [{"product": "E10", "unit_price": "1.4790"}]}
    embedded_rig.start_worker()
    await embedded_rig.publish(
        (topic, prices),
        (topic, prices | {"prices": [{"product": "E10", "unit_price": "+1.479"}]}),
        (LEDGER, entry(1)),
    )
    await embedded_rig.until("SELECT count(*) FROM entry", 1)
    await embedded_rig.until("SELECT count(*) FROM quarantine", 1)
    assert await rows(Quarantine, "reason", "detail") == [
        ("invalid", "prices.unit_price: '+1.479' is no decimal of digits and one point")
    ]


def _enter_by_hand(code: str) -> None:
    """Add entry 2 of two, without what only the pump knows, and without seconds."""
    site = Site.objects.get(code=code)
    day = datetime.date.fromisoformat(DAY)
    FiscalDay.objects.create(site=site, fiscal_day=day, last_sequence=2)
    correction_propose(
        draft=Draft(
            site=site,
            fiscal_day=day,
            sequence=2,
            action=Correction.Action.ADD,
            reason=Correction.Reason.NOT_SENT,
            values={
                "kind": Kind.SALE,
                "occurred_at": datetime.datetime.fromisoformat(NOON),
                "product": "E10",
                "amount": Decimal("47.93"),
                "volume": Decimal("32.407"),
                "tax_rate": Decimal(20),
                "offline": False,
            },
        ),
        author=make_user(),
    )
    connection.close()
