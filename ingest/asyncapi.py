"""The event contract as an AsyncAPI 3 document, made from the types that the worker decodes with.

So it cannot drift from what the console takes: what the schemas allow, the worker takes, and what
they refuse, it refuses. Some rules no schema can say and stand in words: a day that is in no
calendar, how many places a JSON number has, two readings of one nozzle.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from ingest import contract, topics
from ingest.decode import (
    MEASURES,
    TAX_RATE,
    TOTAL_MONEY,
    UNIT_PRICE,
    YEAR_MAX,
    YEAR_MIN,
    Measure,
)
from ingest.publication import qos_of, retains
from ledger.plain import REFUSED_CHARACTERS

_REF = "#/components/schemas/{name}"
_SITE = {"description": "The site's code, 1 to 32 of A-Z a-z 0-9 -. A message speaks for it alone."}
#: `$` alone would let a line break pass where patterns are read the way of Python or Perl.
_END = r"$(?!\n)"
_DATE = r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_TIME = (
    r"[Tt ]([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)(\.[0-9]+)?"
    r"([Zz]|[+-]([01][0-9]|2[0-3]):?[0-5][0-9])"
)
_YEARS = rf"(?!000[0-{YEAR_MIN - 1}]|{YEAR_MAX + 1})"
assert (YEAR_MIN, YEAR_MAX) == (2, 9998), "the pattern of years says so"
_PATTERNS = {"date": _DATE.replace("^", "^(?!0000)") + _END}
_PATTERNS["date-time"] = _DATE.replace("^", f"^{_YEARS}") + _TIME + _END
_NUMBER = {"description": "The device's number at the site, 0 to 32767."}


#: How exact the decimals are that the console sends.
_SENT_MEASURES: dict[type[msgspec.Struct], dict[str, Measure]] = {
    contract.PriceWanted: {"unit_price": UNIT_PRICE},
    contract.Seal: {"perpetual_total": TOTAL_MONEY},
}


class Lane(NamedTuple):
    """A topic below a site, who publishes it and what it says."""

    name: str
    summary: str
    message: Any
    device: str = ""
    from_console: bool = False

    @property
    def kinds(self) -> tuple[Any, ...]:
        """The types of its messages."""
        return self.message if isinstance(self.message, tuple) else (self.message,)


LANES = (
    Lane(
        topics.LEDGER,
        "A ledger entry, or an array of them (store and forward after an outage).",
        contract.LedgerEntry,
    ),
    Lane(
        topics.DAY,
        "A fiscal day opened, or closed with the site's own totals.",
        contract.DayOpened | contract.DayClosed,
    ),
    Lane(topics.DELIVERIES, "A tanker's drop into one tank.", contract.Delivery),
    Lane(topics.ALARMS, "An alarm started, finished or was detected.", contract.Alarm),
    Lane(
        topics.STATUS,
        "Whether the controller is online; also its last will.",
        contract.Status,
    ),
    Lane(
        topics.PUMPS,
        "The state of a fuelling point; the newest wins.",
        contract.Pump,
        device="fuelling_point",
    ),
    Lane(
        topics.TANKS,
        "A tank gauge's reading; the newest wins.",
        contract.TankGauge,
        device="tank",
    ),
    Lane(
        topics.PRICES,
        "The prices in force, whenever they change, and the price command that they answer.",
        contract.Prices,
    ),
    Lane(
        topics.COMMANDS,
        "The console asks the site to publish sequences again, or all since a day; or to change "
        "prices.",
        (contract.Resend, contract.ResendSince, contract.PriceCommand),
        from_console=True,
    ),
    Lane(
        topics.SEALS,
        "The newest seal of the site's ledger, for the site to keep.",
        contract.Seal,
        from_console=True,
    ),
)


def document() -> dict[str, Any]:
    """Return the document, ready for JSON. In a schema `x-places` are a JSON number's places."""
    found, schemas = msgspec.json.schema_components(
        [kind for lane in LANES for kind in lane.kinds], ref_template=_REF
    )
    waiting = iter(found)
    payloads = [_any_of([next(waiting) for _ in lane.kinds]) for lane in LANES]
    for schema in schemas.values():
        _say_patterns(schema)
    for kind, measures in (MEASURES | _SENT_MEASURES).items():
        properties = schemas[kind.__name__]["properties"]
        for name, measure in measures.items():
            properties[name] = _decimal(properties[name], measure)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Forecourt events",
            "version": "1.0.0",
            "description": (
                "What a site's forecourt controller publishes over MQTT 3.1.1, and what the "
                f"console answers. Payloads are UTF-8 JSON of at most {contract.PAYLOAD_BYTES_MAX} "
                f"bytes, arrays hold at most {contract.ARRAY_ITEMS_MAX} items. A byte-order mark "
                "is skipped. Times carry an offset; a leap second :60 is the last instant of its "
                "minute. Decimals are strings of ASCII digits; a JSON number is read from its text "
                "and must fit the same places. null in an optional field is an absent one. Texts "
                "are compared in Unicode NFC without outer blanks. Unknown fields are ignored. The "
                "newest wins by the message's own time, but a time in the future at receipt never "
                "wins over a later receipt. An empty retained payload on status, pumps or tanks "
                "clears that state. A "
                "site signs in under its own code, with its code as client id, and writes its own "
                "lanes but never commands or seals. A fiscal day lies between the site's first "
                "one and 2 days after receipt."
            ),
        },
        "defaultContentType": "application/json",
        "channels": {
            lane.name: _channel(lane, payload)
            for lane, payload in zip(LANES, payloads, strict=True)
        },
        "operations": {
            f"{'send' if lane.from_console else 'receive'}_{lane.name}": _operation(lane)
            for lane in LANES
        },
        "components": {"schemas": schemas},
    }


def _channel(lane: Lane, payload: dict[str, Any]) -> dict[str, Any]:
    levels = [contract.ROOT, "{site}", lane.name]
    parameters = {"site": _SITE}
    if lane.device:
        levels.append(f"{{{lane.device}}}")
        parameters[lane.device] = _NUMBER
    # AsyncAPI has another discriminator than OpenAPI; and `event` tells the schemas apart anyway.
    payload.pop("discriminator", None)
    if lane.name == topics.LEDGER:
        items = {"type": "array", "items": payload, "maxItems": contract.ARRAY_ITEMS_MAX}
        payload = {"oneOf": [payload, items]}
    return {
        "address": "/".join(levels),
        "description": lane.summary,
        "parameters": parameters,
        "messages": {lane.name: {"payload": payload}},
    }


def _operation(lane: Lane) -> dict[str, Any]:
    return {
        "action": "send" if lane.from_console else "receive",
        "channel": {"$ref": f"#/channels/{lane.name}"},
        "summary": lane.summary,
        "bindings": {"mqtt": {"qos": qos_of(lane.name), "retain": retains(lane.name)}},
    }


def _any_of(payloads: list[dict[str, Any]]) -> dict[str, Any]:
    return payloads[0] if len(payloads) == 1 else {"anyOf": payloads}


def _say_patterns(schema: Any) -> None:
    """Give each date, time and text within a schema the pattern that the worker holds it to."""
    if isinstance(schema, list):
        for part in schema:
            _say_patterns(part)
    if not isinstance(schema, dict):
        return
    if schema.get("type") == "string" and "pattern" not in schema:
        if pattern := _PATTERNS.get(schema.get("format", "")):
            schema["pattern"] = pattern
        elif "maxLength" in schema:
            # A code that is nothing but blanks is an empty one.
            visible = r"(?=[\s\S]*\S)" if schema.get("minLength") else ""
            schema["pattern"] = f"^{visible}[^{REFUSED_CHARACTERS}]*{_END}"
    for part in schema.values():
        _say_patterns(part)


def _decimal(schema: dict[str, Any], measure: Measure) -> dict[str, Any]:
    """Return a decimal's schema with its digits and places; absent where it was."""
    whole = measure.digits - measure.places
    fraction = rf"(\.[0-9]{{1,{measure.places}}}0*)?"
    pattern = rf"-?0*[0-9]{{1,{whole}}}{fraction}"
    bounds: dict[str, Any] = {"exclusiveMinimum": -(10**whole), "exclusiveMaximum": 10**whole}
    if measure is TAX_RATE:
        pattern = rf"(0*[0-9]{{1,2}}{fraction}|0*100(\.0+)?|-0+(\.0+)?)"
        bounds = {"minimum": 0, "maximum": 100}
    exact = {
        "anyOf": [
            {"type": "string", "pattern": f"^{pattern}{_END}"},
            {
                "type": "number",
                **bounds,
                "description": (
                    "Read from its text, never as a binary float. Decimal places, zeros at the "
                    f"end aside: {measure.places} at most."
                ),
                "x-places": measure.places,
            },
        ]
    }
    if "anyOf" not in schema:
        return exact
    return schema | {"anyOf": [*exact["anyOf"], {"type": "null"}]}
