"""The decoder takes what the contract allows, refuses the rest with a reason, and never crashes."""

from __future__ import annotations

import datetime
import itertools
import json
from decimal import Decimal

import pytest

from ingest import contract, decimals, decode
from ingest.decode import Fault
from tests.contract_messages import ENTRY, LANES, TEXT_FIELDS, changed, fields


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


LENIENT = [
    *(
        "1_0.00",
        " 1.00 ",
        "+1.00",
        "1.00\n",
        "\uff11.\uff10\uff10",
        "\u0663",
        "\u00a01",
        "1e1",
        "1E0",
    ),
    *("1.", ".5", "_1", "1__0", "1.0_0", "1e0_1"),
]


@pytest.mark.parametrize("text", LENIENT)
def test_what_only_python_reads_as_a_decimal_is_refused(text: str) -> None:
    names = ("amount", "volume", "volume_15c", "unit_price", "tax_rate", "totalizer")
    for name, escapes in itertools.product(names, (True, False)):
        payload = json.dumps(ENTRY | {name: text}, ensure_ascii=escapes).encode()
        with pytest.raises(Fault, match=f"^{name}: .*is no decimal") as caught:
            decode.decode_entry(payload)
        assert caught.value.reason == "invalid"
        # Whatever was remembered of payloads of the same shape.
        decoded(**{name: "1.00"})
        good, bad = decode.decode_entries(
            json.dumps([ENTRY, ENTRY | {name: text}], ensure_ascii=escapes).encode()
        )
        assert isinstance(good, contract.LedgerEntry)
        assert isinstance(bad, Fault)


def test_a_decimal_within_a_list_is_checked_too() -> None:
    dip = {"tank": 1, "product": "E10", "volume": "1_0"}
    day = {"event": "opened", "fiscal_day": "2026-11-20", "at": "2026-11-20T00:00:00Z"}
    with pytest.raises(Fault, match=r"^dips\.volume: '1_0' is no decimal"):
        decode.decode_day(json.dumps(day | {"dips": [dip]}).encode())


def test_an_unknown_field_may_hold_what_it_likes() -> None:
    for text in (*LENIENT, "\u200b", None):
        assert decoded(amount1=text, volume_99c=text, from_a_newer_controller=text)


def test_the_shape_of_one_payload_says_nothing_of_another() -> None:
    """Names that differ in a digit, and texts that look alike but for one."""
    assert decoded(volume_99c=" 5", volume_15c="5")
    with pytest.raises(Fault, match="volume_15c"):
        decoded(volume_99c="5", volume_15c=" 5")
    assert decoded(product="E10")
    with pytest.raises(Fault, match="amount"):
        decoded(amount="1E0")


def test_what_is_remembered_of_shapes_is_bounded() -> None:
    for number in range(decimals.SHAPES_MAX + 100):
        name = f"x{number}".translate(str.maketrans("0123456789", "abcdfghijk"))
        assert decimals.are_surely_plain(json.dumps({name: "1.00"}).encode())
        assert not decimals.are_surely_plain(json.dumps({name: "+1.00"}).encode())
    long = json.dumps({"x" * decimals.SHAPE_BYTES_MAX: "1.00"}).encode()
    assert decimals.are_surely_plain(long)
    assert len(decimals._plain_shapes) <= decimals.SHAPES_MAX
    assert max(map(len, decimals._plain_shapes)) <= decimals.SHAPE_BYTES_MAX


@pytest.mark.parametrize("odd", [" 1", "+1", "1_0", "1e2", "1.", ".5", "\u0663"])
@pytest.mark.parametrize("indent", [None, 1])
def test_doubt_is_seen_wherever_the_decimal_stands(odd: str, indent: int | None) -> None:
    """First, last, alone, after texts with commas and braces, and in the midst of an array."""
    for members in (
        {"a": odd}, {"b": "1,2", "a": odd}, {"a": odd, "b": "}"}, {"b": "x,", "a": odd, "c": ","},
    ):  # fmt: skip
        for value in (members, [{"a": "1"}, members, {"a": "1"}]):
            for _ in range(3):
                payload = json.dumps(value, indent=indent, ensure_ascii=False).encode()
                assert not decimals.are_surely_plain(payload)
                assert decimals.are_surely_plain(payload.replace(odd.encode(), b"1"))


BOM = b"\xef\xbb\xbf"


def test_a_byte_order_mark_is_skipped() -> None:
    entry = json.dumps(ENTRY).encode()
    assert decode.decode_entry(BOM + entry) == decode.decode_entry(entry)
    array = BOM + b" [" + entry + b", {}]"
    assert decode.is_array(array)
    good, bad = decode.decode_entries(array)
    assert good == decode.decode_entry(entry)
    assert isinstance(bad, Fault)
    assert decode.items_of(array)[0] == entry
    with pytest.raises(Fault, match="not JSON"):
        decode.decode_entry(BOM + BOM + entry)


@pytest.mark.parametrize(
    ("time", "read"),
    [
        ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59.999999+00:00"),
        ("2016-12-31T23:59:60.250Z", "2016-12-31T23:59:59.999999+00:00"),
        ("2017-01-01T00:59:60+01:00", "2016-12-31T23:59:59.999999+00:00"),
    ],
)
def test_a_leap_second_is_the_last_instant_of_its_minute(time: str, read: str) -> None:
    assert decoded(occurred_at=time).occurred_at.isoformat() == read
    pump = decode.decode_pump(json.dumps({"state": "idle", "at": time}, indent=1).encode())
    assert pump.at.isoformat() == read
    (entry,) = decode.decode_entries(json.dumps([ENTRY | {"occurred_at": time}]).encode())
    assert isinstance(entry, contract.LedgerEntry)
    assert entry.occurred_at.isoformat() == read


def test_a_text_that_looks_like_a_leap_second_stays_as_it_is() -> None:
    told = {"at": "2016-12-31T23:59:60Z", "tank": 1, "product": "E10", "volume": "1"}
    delivery = decode.decode_delivery(
        json.dumps(told | {"document": "2016-12-31T23:59:60Z"}).encode()
    )
    assert delivery.document == "2016-12-31T23:59:60Z"


@pytest.mark.parametrize("text", ["E10", " E10", "E10\u00a0", "\u3000E10 "])
def test_texts_are_taken_without_blanks_around_them(text: str) -> None:
    assert decoded(product=text).product == "E10"


def test_texts_are_taken_in_their_composed_form() -> None:
    composed, apart = "Myt\u00ed vozidel", "Myti\u0301 vozidel"
    assert decoded(product=apart) == decoded(product=composed)
    assert decoded(product=apart).product == composed


INVISIBLE = ["\x00", "\t", "\n", "\x1b", "\x7f", "\x85", "\u200b", "\u200d", "\u202e", "\u2066",
             "\ufeff", "\u00ad", "\u061c", "\u2028", "\U000e0041", "\ud800", "\udfff"]  # fmt: skip


@pytest.mark.parametrize("character", INVISIBLE)
def test_what_nobody_can_see_is_invalid_in_every_text(character: str) -> None:
    for lane, (read, message) in LANES.items():
        paths = fields(lane, TEXT_FIELDS)
        assert paths or lane == "ledger"
        for path in paths:
            hidden = changed(message, path, f"a{character}b")
            with pytest.raises(Fault) as caught:
                read(json.dumps(hidden).encode())
            assert caught.value.reason == "invalid", (lane, path)
            assert "holds" in caught.value.detail
    gauge = {"at": "2026-11-20T00:00:00Z", "alarms": ["ok", character]}
    with pytest.raises(Fault, match="holds"):
        decode.decode_tank(json.dumps(gauge).encode())


def test_half_a_surrogate_pair_is_told_from_broken_json() -> None:
    with pytest.raises(Fault, match="half of a surrogate pair") as caught:
        decoded(product="\ud83dE10")
    assert caught.value.reason == "invalid"
    assert decoded(product="\u26fd\U0001d11e").product == "\u26fd\U0001d11e"
    for broken in (b'{"product": "\\ud800"', b'{"product": "\\ud8"}', b'{"product": "\\\\ud800"'):
        with pytest.raises(Fault, match="not JSON"):
            decode.decode_entry(broken)


def test_a_code_of_nothing_but_blanks_is_empty() -> None:
    with pytest.raises(Fault, match="length >= 1"):
        decoded(product=" \u00a0")


def test_a_text_that_grows_in_its_composed_form_must_still_fit() -> None:
    with pytest.raises(Fault, match="length <= 32"):
        decoded(product="\u0958" * 32)


def test_null_for_a_list_or_a_truth_is_none_of_it() -> None:
    assert decoded(offline=None).offline is False
    day = {"event": "closed", "fiscal_day": "2026-11-20", "at": "2026-11-20T00:00:00Z"}
    nulls = dict.fromkeys(("totals", "totalizers", "dips"))
    one, other = (
        decode.decode_day(json.dumps(day | {"last_sequence": 0} | more).encode())
        for more in ({}, nulls)
    )
    assert contract.encode(one) == contract.encode(other)


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
