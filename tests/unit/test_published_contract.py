"""The published schema and the decoder agree: on each text, one accepts it iff the other does."""

from __future__ import annotations

import datetime
import json
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

import jsonschema
import pytest

from ingest import decode
from ingest.asyncapi import document
from ingest.decode import Fault
from tests.contract_messages import (
    AT,
    DECIMAL_FIELDS,
    ENTRY,
    LANES,
    TEXT_FIELDS,
    TIME_FIELDS,
    changed,
    fields,
)  # fmt: skip

SEED = 20261128
#: Of each kind of text; 10,000 in all.
DECIMALS, TIMES, TEXTS, MESSAGES = 4_000, 2_000, 2_000, 2_000


def _places(_validator: object, places: int, value: object, _schema: object) -> Iterator[Any]:
    """What `x-places` says: a JSON number has no more decimal places, zeros at the end aside."""
    if isinstance(value, Decimal):
        _, digits, exponent = value.as_tuple()
        assert isinstance(exponent, int)
        written = "".join(map(str, digits))
        if value and -exponent - (len(written) - len(written.rstrip("0"))) > places:
            yield jsonschema.ValidationError(f"{value} has more than {places} decimal places")


_Validator = jsonschema.validators.extend(jsonschema.Draft202012Validator, {"x-places": _places})
_formats = jsonschema.FormatChecker(formats=())


@_formats.checks("date")
@_formats.checks("date-time")
def _is_in_the_calendar(text: object) -> bool:
    """What the formats say and no pattern can: the day is in the calendar."""
    if not isinstance(text, str):
        return True
    try:
        datetime.date.fromisoformat(text[:10])
    except ValueError:
        return False
    return True


def _validator(lane: str) -> Any:
    published = document()
    payload = published["channels"][lane]["messages"][lane]["payload"]
    return _Validator({"components": published["components"]} | payload, format_checker=_formats)


VALIDATORS = {lane: _validator(lane) for lane in LANES}


def accepts(read: Callable[[bytes], object], payload: bytes) -> bool:
    """Whether the decoder takes a payload."""
    try:
        read(payload)
    except Fault:
        return False
    return True


def agree(lane: str, message: Mapping[str, Any], chance: random.Random) -> bool:
    """Whether both accept a message; AssertionError where they differ."""
    # Half a surrogate pair cannot be written but as an escape.
    is_escaped = "\\ud" in json.dumps(message, default=repr) or chance.random() < 0.5
    text = json.dumps(message, ensure_ascii=is_escaped, default=lambda number: f"@{number.text}@")
    payload = re.sub('"@(.*?)@"', r"\1", text).encode()
    taken = accepts(LANES[lane][0], payload)
    allowed = VALIDATORS[lane].is_valid(json.loads(payload, parse_float=Decimal))
    assert taken == allowed, (lane, payload, f"taken: {taken}, allowed: {allowed}")
    return taken


class _Number:
    """A JSON number that is to be written just so."""

    def __init__(self, text: str) -> None:
        self.text = text


def edited(text: str, alphabet: str, chance: random.Random) -> str:
    """The text with none to three characters inserted, dropped or exchanged."""
    for _ in range(chance.choice((0, 1, 1, 1, 2, 3))):
        place = chance.randint(0, len(text))
        new = chance.choice(alphabet) if chance.random() < 0.7 else ""
        text = text[:place] + new + text[place + chance.randint(0, 1) :]
    return text


def decimals(chance: random.Random) -> Iterator[Any]:
    """Yield texts and JSON numbers that are decimals, or nearly."""
    texts = [
        *("0", "1", "-1", "47.93", "0.001", "-0.00", "1.2345", "100", "100.00", "100.01", "99.99"),
        *(
            "1_0.00",
            " 1.00 ",
            "+1.00",
            "\uff11.\uff10\uff10",
            "\u0663",
            "NaN",
            "sNaN",
            "-Infinity",
            "1e2",
            "1E-2",
        ),
        *("9999999999.99", "999999999.999", "99999.9999", "00047.930000", ".5", "5.", "", "-", "."),
        *("1e400", "1e-400", "0x1f", "4 7", "1,00", "1.0\n", "\u00a01", "1\u2003", "9" * 40),
    ]
    numbers = ["0", "-0", "1.5", "47.930", "0.001", "1e2", "1e400", "1e-400", "0.00001", "-3.25",
               "100.01", "9999999999.99", "1E5", "12345.67891"]  # fmt: skip
    while True:
        if chance.random() < 0.75:
            yield edited(
                chance.choice(texts), "0123456789.-+_eE \n\t\u0661\uff11\u00a0\u200b", chance
            )
        else:
            yield _Number(chance.choice(numbers))


def times(chance: random.Random) -> Iterator[str]:
    """Yield texts that are times, or nearly."""
    texts = [
        *("2026-11-20T12:00:00Z", "2026-11-20t12:00:00.123456789z", "2016-12-31T23:59:60Z"),
        *("2016-12-31T23:59:60.5+01:00", "2026-11-20 12:00:00-23:59", "2026-11-20T12:00:00"),
        *("0001-01-01T00:00:00+14:00", "0002-01-01T00:00:00Z", "9998-12-31T23:59:60Z"),
        *("9999-12-31T23:59:59Z", "2026-02-29T00:00:00Z", "2024-02-29T00:00:00+0100"),
        *("2026-11-20T24:00:00Z", "2026-11-20T12:60:00Z", "2026-11-20T12:00:61Z", "2026-11-20", ""),
    ]
    while True:
        yield edited(chance.choice(texts), "0123456789:-+.TZtz \n\uff11", chance)


def texts(chance: random.Random) -> Iterator[str]:
    """Yield texts that are codes, or nearly."""
    codes = [
        *(
            "E10",
            "B7",
            "Mytí vozidel",
            "My\u0301c\u030c",
            "汽油",
            "95 E10",
            " E10 ",
            "\u00a0",
            " ",
            "",
        ),
        *(
            "E\u200b10",
            "\u202eE10",
            "\ufeffE10",
            "E10\x00",
            "E10\n",
            "\ud800",
            "E10\udc00",
            "⛽",
            "𝄞",
        ),
        *(
            "E" * 32,
            "E" * 33,
            "E" * 16,
            "E" * 64,
            "E" * 65,
            "E" * 80,
            "E" * 81,
            "E" * 500,
            "E" * 501,
        ),
    ]
    while True:
        alphabet = "E1 \u00a0\u0301\u200d\u2066\x85\ud83d\U000e0041é"
        yield edited(chance.choice(codes), alphabet, chance)


@pytest.mark.parametrize(
    ("names", "make", "count"),
    [
        (DECIMAL_FIELDS, decimals, DECIMALS),
        (TIME_FIELDS, times, TIMES),
        (TEXT_FIELDS, texts, TEXTS),
    ],
    ids=["decimals", "times", "texts"],
)
def test_each_text_is_accepted_by_both_or_by_neither(
    names: set[str], make: Callable[[random.Random], Iterator[Any]], count: int
) -> None:
    chance = random.Random(SEED)
    places = [(lane, path) for lane in LANES for path in fields(lane, names)]
    ends: Counter[bool] = Counter()
    for number, value in zip(range(count), make(chance), strict=False):
        lane, path = places[number % len(places)]
        ends[agree(lane, changed(LANES[lane][1], path, value), chance)] += 1
    # Texts that met only one end would prove little.
    assert min(ends[True], ends[False]) > count // 10, ends


def test_each_message_is_accepted_by_both_or_by_neither() -> None:
    chance = random.Random(SEED)
    others = [None, True, 0, -1, 65_536, 2**31, "", "x", [], {}, [None], [{}], "1.00", AT]
    ends: Counter[bool] = Counter()
    for number in range(MESSAGES):
        lane = list(LANES)[number % len(LANES)]
        message = dict(LANES[lane][1])
        for _ in range(chance.choice((0, 1, 1, 2))):
            name = chance.choice(list(message))
            if chance.random() < 0.4:
                del message[name]
            else:
                message[name] = chance.choice(others)
        ends[agree(lane, message, chance)] += 1
    assert min(ends[True], ends[False]) > MESSAGES // 10, ends


def test_an_array_holds_a_thousand_items_at_most() -> None:
    for count in (0, 1, 1_000, 1_001):
        payload = json.dumps([ENTRY] * count).encode()
        allowed = VALIDATORS["ledger"].is_valid(json.loads(payload))
        assert allowed == accepts(decode.decode_entries, payload) == (count <= 1_000)


def test_null_is_absent_in_every_optional_field_and_in_no_other() -> None:
    for lane, (read, message) in LANES.items():
        for name in message.keys() - {"from_a_newer_controller"}:
            without = json.dumps({key: value for key, value in message.items() if key != name})
            is_optional = accepts(read, without.encode())
            with_null = json.dumps(message | {name: None}).encode()
            assert accepts(read, with_null) == is_optional, (lane, name)
            if is_optional:
                assert read(with_null) == read(without.encode()), (lane, name)
