"""What broken or hostile controllers might publish. The same seed gives the same messages."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from random import Random
from typing import Any

AT = "2026-11-20T12:00:00Z"
DAY = {
    "fiscal_day": "2026-11-20",
    "at": AT,
    "totalizers": [{"fuelling_point": 1, "nozzle": 2, "product": "E10", "volume": "123456.780"}],
    "dips": [{"tank": 1, "product": "E10", "volume": "18250.000", "temperature": "11.2"}],
}


def entry(sequence: int) -> dict[str, Any]:
    """A sale with every field."""
    return {
        "fiscal_day": "2026-11-20",
        "sequence": sequence,
        "kind": "sale",
        "occurred_at": AT,
        "product": "E10",
        "amount": "47.93",
        "volume": "32.407",
        "volume_15c": "32.101",
        "unit_price": "1.479",
        "fuelling_point": 1,
        "nozzle": 1,
        "tank": 1,
        "tax_rate": "20.00",
        "payment": "card",
        "device_transaction": 65535,
        "totalizer": "123456.780",
        "offline": False,
    }


#: (lane, payload): one of each shape the contract knows.
_GOOD: list[tuple[str, Any]] = [
    ("ledger", entry(1)),
    ("ledger", entry(2) | {"kind": "refund", "amount": "-47.93", "unheard_of": {"x": [1]}}),
    ("ledger", [entry(3), entry(4)]),
    ("day", DAY | {"event": "opened"}),
    (
        "day",
        DAY
        | {
            "event": "closed",
            "last_sequence": 412,
            "totals": [{"product": "E10", "count": 201, "volume": "6120.440", "amount": 9050.11}],
        },
    ),
    (
        "deliveries",
        {"at": AT, "tank": 1, "product": "E10", "volume": "15000.000", "document": "D-7"},
    ),
    (
        "alarms",
        {
            "at": AT,
            "device": "tank",
            "number": 1,
            "code": "low_product",
            "state": "started",
            "severity": "warning",
            "text": "low",
        },
    ),
    ("status", {"online": True, "controller": "PTS-2", "at": AT}),
    (
        "pumps/1",
        {"state": "fuelling", "at": AT, "nozzle": 2, "product": "E10", "volume": "12.31"},
    ),
    (
        "tanks/1",
        {"at": AT, "product": "E10", "volume": 18250, "temperature": "-1.5", "alarms": ["low"]},
    ),
]
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|true|false|null|[{}\[\],:]|\s+')
_SEEDS = [(lane, _TOKEN.findall(json.dumps(payload))) for lane, payload in _GOOD]
#: How many of the sequences so far a next one may repeat.
REPEATED = 50

#: Put in the place of a value, or anywhere.
_VALUES = [
    *("null", "true", "NaN", "-Infinity", "Infinity", '""', "{}", "[]", "[[]]", "0", "-0", "-1"),
    *('"NaN"', '"sNaN"', '"-Infinity"', '"-0"', '"1e400"', '"1e-400"', "1e400", "1E+9999999999"),
    *('"1e999999999999999999999"', "2147483648", "-2147483649", "9223372036854775808"),
    *("32768", "65536", "1.5", "1.0", '"0x1f"', '"١٢"', '"1_000"', '" 1"', '"9999999999.99"'),
    *('"999999999999999.999"', '"-999999.9999"', '"100.01"', '"9999.9"', "1" * 400, "9" * 5000),
    *('"\\u0000"', '"E\\u000010"', '"\\ud800"', '"\\udc00\\ud800"', '"\\ud83d\\ude00"', '"\\\\."'),
    *('"\\t\\n\\r\\\\N"', '"\x7f\u0085\u2028\ufeff"', f'"{"😀" * 32}"', f'"{"é" * 33}"', '"x" "y"'),
    *('"0001-01-01T00:00:00+14:00"', '"9999-12-31T23:59:59-14:00"', '"0001-01-01"', '"9999-12-31"'),
    *('"0002-01-01T00:00:00+14:00"', '"9998-12-31T23:59:59-14:00"', '"2026-11-20T12:00:00"'),
    *('"2026-11-20T12:00:00+23:59"', '"2026-11-20T12:00:00-23:59"', '"2026-02-30"', '"2024-02-29"'),
    *('"2026-11-20T24:00:00Z"', '"2026-11-20T12:00:60Z"', '"2026-11-20T12:00:00.1234567Z"'),
    *('"refund"', '"drive_off"', '"fuel_card"', '"opened"', '"closed"', '"idle"', '"finished"'),
]
_BYTES = [
    *(b"\x00", b"\xff", b"\xed\xa0\x80", b"\xc0\x80", b"\xef\xbb\xbf", b"\\u0000", b"\\ud800"),
    *(b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b" ", b"\n", b"-", b"e999", b"999999"),
]
_TOPICS = [
    b"forecourt/v1/LON-1/%s",
    b"forecourt/v1/LON-1/%s",
    b"forecourt/v1/LON-1/%s",
    b"forecourt/v1/LON-1/%s",
    b"forecourt/v1/LON-1/%s",
    b"forecourt/v1/LON-1/%s",
    b"forecourt/v1/LON-1/%s",
    b"forecourt/v1/LON-1/%s/1",
    b"forecourt/v1/NOBODY/%s",
    b"forecourt/v2/LON-1/%s",
    b"forecourt/v1/\x00\xff/%s",
    b"forecourt/v1/LON-1/pumps/%s" + b"1" * 5000,
    b"%s",
]
NESTING = 50_000


def mutated_messages(seed: int, count: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield (topic, payload) pairs, the same ones for the same seed."""
    random = Random(seed)
    for number in range(1, count + 1):
        lane, tokens = random.choice(_SEEDS)
        tokens = _numbered(
            tokens, max(1, number - random.choice((0, 0, random.randrange(REPEATED))))
        )
        for _ in range(random.choice((0, 1, 1, 1, 2, 3))):
            _mutate_tokens(tokens, random)
        payload = bytearray("".join(tokens).encode("utf-8", "surrogatepass"))
        for _ in range(random.choice((0, 0, 0, 1, 1, 3))):
            _mutate_bytes(payload, random)
        if random.random() < 0.2:  # a payload on another lane than it was made for
            lane, _ = random.choice(_SEEDS)
        yield random.choice(_TOPICS).replace(b"%s", lane.encode()), bytes(payload)


def _numbered(tokens: list[str], first: int) -> list[str]:
    """Return the tokens with the entries among them numbered from the first one on."""
    numbered = list(tokens)
    places = [n + 3 for n, token in enumerate(tokens) if token == '"sequence"']
    for sequence, place in enumerate(places, first):
        numbered[place] = str(sequence)
    return numbered


def _mutate_tokens(tokens: list[str], random: Random) -> None:
    """Change what the JSON says and leave it JSON, mostly."""
    if not tokens:
        return
    place = random.randrange(len(tokens))
    choice = random.randrange(40)
    if choice < 24:  # a value
        values = [n for n, token in enumerate(tokens) if token[0] not in '{}[],: "']
        values += [n + 2 for n, token in enumerate(tokens[:-2]) if token == ":"]
        if values:
            tokens[random.choice(values)] = random.choice(_VALUES)
    elif choice < 28:  # two tokens in each other's place
        other = random.randrange(len(tokens))
        tokens[place], tokens[other] = tokens[other], tokens[place]
    elif choice < 31:  # a field twice, the second time with another value
        fields = [n for n, token in enumerate(tokens) if token == ":"]
        if fields:
            field = random.choice(fields)
            tokens[field - 1 : field - 1] = [tokens[field - 1], ":", random.choice(_VALUES), ","]
    elif choice < 34:
        del tokens[place : place + random.randint(1, 6)]
    elif choice < 36:
        tokens[place:place] = tokens[place : place + random.randint(1, 12)]
    elif choice < 38:  # among others in an array
        tokens.insert(0, "[")
        for _ in range(random.randrange(4)):
            tokens += [",", random.choice(_VALUES)]
        tokens += [",", *random.choice(_SEEDS)[1], "]"]
    elif choice < 39:
        tokens[place] = random.choice((" ", "\n\t", "\r\n", "\x0b"))
        tokens.insert(0, " ")
    elif random.random() < 0.02:
        tokens[place] = random.choice("[{") * NESTING + "]" * random.choice((0, NESTING))


def _mutate_bytes(payload: bytearray, random: Random) -> None:
    """Damage it as a line or a memory would."""
    if not payload:
        return
    place = random.randrange(len(payload))
    end = place + random.randint(1, 8)
    match random.randrange(6):
        case 0:
            payload[place] ^= 1 << random.randrange(8)
        case 1:
            del payload[place:end]
        case 2:
            del payload[place:]
        case 3:
            payload[place:place] = random.choice(_BYTES)
        case 4:
            payload[place:end] = payload[place:end][::-1]
        case _:
            payload[place] = random.randrange(256)
