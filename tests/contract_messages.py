"""A whole message of each lane that sites publish, and where in it which kind of value stands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ingest import decode

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


AT = "2026-11-20T12:00:00Z"
DIP = {"tank": 1, "product": "E10", "volume": "18250.000", "water": "0", "temperature": "11.2"}
METER = {"fuelling_point": 1, "nozzle": 2, "product": "E10", "volume": "123456.780"}
TOTAL = {"product": "E10", "count": 201, "volume": "6120.440", "amount": "9050.11"}
OPENED = {
    "event": "opened", "fiscal_day": "2026-11-22", "at": AT, "totalizers": [METER], "dips": [DIP],
}  # fmt: skip
#: A whole message of each lane that sites publish, every field there.
LANES: dict[str, tuple[Callable[[bytes], object], dict[str, Any]]] = {
    "ledger": (decode.decode_entry, ENTRY),
    "day": (
        decode.decode_day,
        OPENED | {"event": "closed", "last_sequence": 412, "totals": [TOTAL]},
    ),
    "deliveries": (
        decode.decode_delivery,
        {"at": AT, "tank": 1, "product": "E10", "volume": "15000", "document": "D 1"}
        | {"volume_15c": None},
    ),
    "alarms": (
        decode.decode_alarm,
        {"at": AT, "device": "tank", "number": 1, "code": "low_product", "state": "started"}
        | {"severity": "warning", "text": "It is low."},
    ),
    "status": (decode.decode_status, {"online": True, "controller": "C-7", "at": AT}),
    "pumps": (
        decode.decode_pump,
        {"state": "fuelling", "at": AT, "nozzle": 2, "product": "E10", "volume": "12.31"}
        | {"amount": "18.21", "unit_price": "1.479"},
    ),
    "tanks": (
        decode.decode_tank,
        {"at": AT, "product": "E10", "volume": "18250", "ullage": "11750", "capacity": "30000"}
        | {"water": "0", "temperature": "-1.2", "status": "ok", "alarms": ["low_product"]},
    ),
    "prices": (
        decode.decode_prices,
        {"at": AT, "id": "7", "prices": [{"product": "E10", "unit_price": "1.479", "since": AT}]},
    ),
}


def fields(lane: str, names: set[str]) -> list[tuple[str, ...]]:
    """The paths of a lane's fields of some names, one level into its lists too."""
    found: list[tuple[str, ...]] = []
    for name, value in LANES[lane][1].items():
        if name in names:
            found.append((name,))
        if isinstance(value, list) and isinstance(value[0], dict):
            found += [(name, inner) for inner in value[0] if inner in names]
    return found


def changed(message: dict[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    """The message with another value at a path."""
    if len(path) == 1:
        return message | {path[0]: value}
    return message | {path[0]: [message[path[0]][0] | {path[1]: value}]}


DECIMAL_FIELDS = {
    *("amount", "volume", "volume_15c", "unit_price", "tax_rate", "totalizer", "water"),
    *("temperature", "ullage", "capacity"),
}
TIME_FIELDS = {"at", "occurred_at", "since"}
TEXT_FIELDS = {"product", "document", "device", "code", "severity", "text", "controller", "status",
               "id"}  # fmt: skip
