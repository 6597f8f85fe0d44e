"""The decoder takes what the contract allows, refuses the rest with a reason, and never crashes."""

from __future__ import annotations

import datetime
import json
from decimal import Decimal

import pytest

from ingest import contract, decode
from ingest.decode import Fault

ENTRY = {
    "fiscal_day": "2026-11-20",
    "sequence": 412,
    "kind": "sale",
    "occurred_at": "2026-11-20T12:00:00.123456+01:00",
    "product": "E10",
    "amount": "47.93",
    "volume": "32.407",
    "volume_15c": "0",
    "unit_price": 1.479,
    "fuelling_point": 3,
    "nozzle": 2,
    "tank": 1,
    "tax_rate": "20",
    "payment": "fuel_card",
    "device_transaction": 65535,
    "totalizer": "123456.78",
    "offline": True,
    "from_a_newer_controller": {"x": [1]},
}


def decoded(**changes: object) -> contract.LedgerEntry:
    return decode.decode_entry(json.dumps(ENTRY | changes).encode())


def test_every_field_arrives_as_it_was_meant() -> None:
    entry = decoded()
    assert entry.occurred_at == datetime.datetime(
        2026, 11, 20, 11, 0, 0, 123456, tzinfo=datetime.UTC
    )
    assert str(entry.unit_price) == "1.4790"
    assert entry.volume_15c is None
    assert str(entry.totalizer) == "123456.780"
    assert entry.offline is True


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"47.93", "47.93"),
        (b'"47.930"', "47.93"),
        (b'"-5"', "-5.00"),
        (b"1e2", "100.00"),
        (b"0.10000000000000000000", "0.10"),
        (b'"9999999999.99"', "9999999999.99"),
    ],
)
def test_a_number_is_read_from_its_text(text: bytes, value: str) -> None:
    payload = json.dumps(ENTRY | {"amount": "?"}).encode().replace(b'"?"', text)
    assert decode.decode_entry(payload).amount == Decimal(value)


@pytest.mark.parametrize(
    "text",
    ["NaN", "sNaN", "-Infinity", "1e400", "1e-400", "10000000000", "0.001", "", "4 7", "0x1f"],
)
def test_a_number_that_would_change_is_refused(text: str) -> None:
    with pytest.raises(Fault) as caught:
        decoded(amount=text)
    assert caught.value.reason == "invalid"
    assert caught.value.detail


@pytest.mark.parametrize("text", ["NaN", "sNaN", "-Infinity", "1e400", "1e-400", "1e15", "0.00001"])
@pytest.mark.parametrize("name", ["volume", "volume_15c", "unit_price", "tax_rate", "totalizer"])
def test_every_number_is_checked(name: str, text: str) -> None:
    with pytest.raises(Fault, match=f"{name}: ") as caught:
        decoded(**{name: text})
    assert caught.value.reason == "invalid"


def test_absent_and_null_are_the_same() -> None:
    assert decoded(volume=None).volume is None


@pytest.mark.parametrize(
    "time",
    ["0001-01-01T00:00:00+14:00", "0001-12-31T23:59:59Z", "9999-01-01T00:00:00Z"],
)
def test_a_time_at_the_calendar_s_ends_is_refused(time: str) -> None:
    with pytest.raises(Fault, match="occurred_at: the year"):
        decoded(occurred_at=time)
    pump = json.dumps({"state": "idle", "at": time}).encode()
    with pytest.raises(Fault, match="at: the year"):
        decode.decode_pump(pump)


def test_any_offset_is_a_time_and_is_kept_as_utc() -> None:
    entry = decoded(occurred_at="2026-11-20T00:00:00+23:59")
    assert entry.occurred_at.isoformat() == "2026-11-19T00:01:00+00:00"


def test_equal_days_are_equal_at_any_offset() -> None:
    day = {"event": "opened", "fiscal_day": "2026-11-20"}
    times = ("2026-11-20T00:00:00Z", "2026-11-20T01:00:00+01:00")
    one, other = (decode.decode_day(json.dumps(day | {"at": at}).encode()) for at in times)
    assert contract.encode(one) == contract.encode(other)


def test_equal_days_are_equal_in_any_order() -> None:
    dips = [{"tank": n, "product": "E10", "volume": n} for n in (1, 2)]
    day = {"event": "opened", "fiscal_day": "2026-11-20", "at": "2026-11-20T00:00:00Z"}
    one = decode.decode_day(json.dumps(day | {"dips": dips}).encode())
    other = decode.decode_day(json.dumps(day | {"dips": dips[::-1]}).encode())
    assert contract.encode(one) == contract.encode(other)
