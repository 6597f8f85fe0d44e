"""The event contract as an AsyncAPI 3 document, made from the types that the worker decodes with.

So it cannot drift from what the console takes. It is the form for those who publish: where the
worker takes more than one form of the same value, the document names the one to use.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from ingest import contract, topics
from ingest.decode import MEASURES, Measure
from ingest.publication import qos_of, retains

_REF = "#/components/schemas/{name}"
_SITE = {"description": "The site's code, 1 to 32 of A-Z a-z 0-9 -. A message speaks for it alone."}
_NUMBER = {"description": "The device's number at the site, 0 to 32767."}


class Lane(NamedTuple):
    """A topic below a site, who publishes it and what it says."""

    name: str
    summary: str
    message: Any
    device: str = ""
    from_console: bool = False


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
        topics.COMMANDS,
        "The console asks the site to publish sequences again.",
        contract.Resend,
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
    """Return the document, ready for JSON."""
    payloads, schemas = msgspec.json.schema_components(
        [lane.message for lane in LANES], ref_template=_REF
    )
    for kind, measures in MEASURES.items():
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
                f"bytes, arrays hold at most {contract.ARRAY_ITEMS_MAX} items. Times carry an "
                "offset. Unknown fields are ignored."
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


def _decimal(schema: dict[str, Any], measure: Measure) -> dict[str, Any]:
    """Return a decimal's schema with its digits and places; absent where it was."""
    whole = measure.digits - measure.places
    exact = {
        "anyOf": [
            {"type": "string", "pattern": rf"^-?\d{{1,{whole}}}(\.\d{{1,{measure.places}}})?$"},
            {"type": "number", "description": "Read from its text, never as a binary float."},
        ]
    }
    if "anyOf" not in schema:
        return exact
    return schema | {"anyOf": [*exact["anyOf"], {"type": "null"}]}
