"""A message as the contract wants it published: its topic, its QoS, and whether it is retained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from ingest import contract
from ingest.topics import ALARMS, DAY, DELIVERIES, LEDGER, PRICES, PUMPS, SEALS, STATUS, TANKS

#: Lanes that are acknowledged, so that nothing of them is ever lost.
KEPT_LANES = frozenset({LEDGER, DAY, DELIVERIES, ALARMS})
_RETAINED_LANES = frozenset({STATUS, PUMPS, TANKS, PRICES, SEALS})
#: Lanes where a newer message makes the older one worthless.
_QOS_0_LANES = frozenset({PUMPS, TANKS})


def qos_of(lane: str) -> int:
    """Return the QoS that a lane is published at."""
    return int(lane not in _QOS_0_LANES)


def retains(lane: str) -> bool:
    """Tell whether the broker keeps a lane's newest message for who comes later."""
    return lane in _RETAINED_LANES


class Publication(NamedTuple):
    """What goes to the broker."""

    topic: str
    payload: bytes
    qos: int
    retain: bool


def publication(
    site_code: str, lane: str, message: msgspec.Struct, *, device: int | None = None
) -> Publication:
    """Return one message of a site, encoded. `device` numbers the fuelling point or the tank."""
    return encoded_publication(site_code, lane, contract.encode(message), device=device)


def encoded_publication(
    site_code: str, lane: str, payload: bytes, *, device: int | None = None
) -> Publication:
    """Return a message that is encoded already."""
    levels = (lane,) if device is None else (lane, device)
    return Publication(
        contract.topic(site_code, *levels),
        payload,
        qos_of(lane),
        retains(lane),
    )


def ledger_array(site_code: str, entries: Sequence[bytes]) -> Publication:
    """Return encoded entries as one message: an array, as the contract has it for an outage."""
    if len(entries) > contract.ARRAY_ITEMS_MAX:
        raise ValueError(f"{len(entries)} entries; an array holds {contract.ARRAY_ITEMS_MAX}")
    payload = entries[0] if len(entries) == 1 else b"[" + b",".join(entries) + b"]"
    return encoded_publication(site_code, LEDGER, payload)
