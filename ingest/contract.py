"""The event contract, version 1: what a site's controller publishes over MQTT.

These types are the contract's one definition: the worker decodes with them, the simulator and the
replay encode with them, and the published schemas are generated from them. Rules that a type
cannot say (decimal places, finite numbers) are in `ingest.decode`.

Decimals are JSON strings of ASCII digits (a JSON number is read from its text, never through a
binary float). Times are RFC 3339 with an offset. Unknown fields are ignored, `null` in an optional
field is an absent one. Volumes are litres at pump conditions, temperatures degrees Celsius,
amounts the site's currency.
"""

from __future__ import annotations

import datetime
import re
from decimal import Decimal
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

ROOT = "forecourt/v1"
#: Everything below the root, other versions included, so that nothing published is overlooked.
SUBSCRIPTION = "forecourt/#"
SITE_CODE = re.compile(r"[A-Za-z0-9-]{1,32}")

PAYLOAD_BYTES_MAX = 1024 * 1024
ARRAY_ITEMS_MAX = 1000

Time = Annotated[datetime.datetime, Meta(tz=True)]
Sequence = Annotated[int, Meta(ge=1, le=2_147_483_647)]
DeviceNumber = Annotated[int, Meta(ge=0, le=32_767)]
ProductCode = Annotated[str, Meta(min_length=1, max_length=32)]
Count = Annotated[int, Meta(ge=0, le=2_147_483_647)]

KindName = Literal["sale", "refund", "test", "drive_off"]
PaymentName = Literal["cash", "card", "fuel_card", "account", "app", "other"]
PumpStateName = Literal[
    "inoperative",
    "closed",
    "idle",
    "calling",
    "authorised",
    "started",
    "suspended_started",
    "fuelling",
    "suspended_fuelling",
    "offline",
]


class LedgerEntry(Struct, omit_defaults=True, kw_only=True, gc=False):
    """One line of a site's fiscal day. Topic `ledger`, alone or in an array."""

    fiscal_day: datetime.date
    sequence: Sequence
    kind: KindName
    occurred_at: Time
    product: ProductCode
    amount: Decimal
    volume: Decimal | None = None
    volume_15c: Decimal | None = None
    unit_price: Decimal | None = None
    fuelling_point: DeviceNumber | None = None
    nozzle: DeviceNumber | None = None
    tank: DeviceNumber | None = None
    tax_rate: Decimal | None = None
    payment: PaymentName | None = None
    device_transaction: Annotated[int, Meta(ge=0, le=65_535)] | None = None
    totalizer: Decimal | None = None
    offline: bool | None = False


class TotalizerReading(Struct, omit_defaults=True, kw_only=True):
    """A nozzle's non-resettable meter as the day opens or closes."""

    fuelling_point: DeviceNumber
    nozzle: DeviceNumber
    product: ProductCode
    volume: Decimal


class DipReading(Struct, omit_defaults=True, kw_only=True):
    """What a tank holds as the day opens or closes."""

    tank: DeviceNumber
    product: ProductCode
    volume: Decimal
    water: Decimal | None = None
    temperature: Decimal | None = None


class DeclaredTotal(Struct, omit_defaults=True, kw_only=True):
    """The site's own total of one product's turnover."""

    product: ProductCode
    count: Count
    volume: Decimal
    amount: Decimal


TotalizerReadings = Annotated[list[TotalizerReading], Meta(max_length=ARRAY_ITEMS_MAX)]
DipReadings = Annotated[list[DipReading], Meta(max_length=ARRAY_ITEMS_MAX)]
DeclaredTotals = Annotated[list[DeclaredTotal], Meta(max_length=ARRAY_ITEMS_MAX)]


class DayOpened(Struct, omit_defaults=True, kw_only=True, tag_field="event", tag="opened"):
    """A fiscal day began. Topic `day`."""

    fiscal_day: datetime.date
    at: Time
    totalizers: TotalizerReadings | None = []
    dips: DipReadings | None = []


class DayClosed(Struct, omit_defaults=True, kw_only=True, tag_field="event", tag="closed"):
    """A fiscal day ended: how many entries it has and what they add up to. Topic `day`."""

    fiscal_day: datetime.date
    at: Time
    last_sequence: Count
    totals: DeclaredTotals | None = []
    totalizers: TotalizerReadings | None = []
    dips: DipReadings | None = []


class Delivery(Struct, omit_defaults=True, kw_only=True):
    """A tanker drop into one tank. Topic `deliveries`."""

    at: Time
    tank: DeviceNumber
    product: ProductCode
    volume: Decimal
    volume_15c: Decimal | None = None
    document: Annotated[str, Meta(max_length=80)] | None = None


class Alarm(Struct, omit_defaults=True, kw_only=True):
    """An alarm started, finished or was detected. Topic `alarms`."""

    at: Time
    device: Annotated[str, Meta(min_length=1, max_length=32)]
    number: Count
    code: Annotated[str, Meta(min_length=1, max_length=64)]
    state: Literal["started", "finished", "detected"]
    severity: Annotated[str, Meta(max_length=16)] | None = None
    text: Annotated[str, Meta(max_length=500)] | None = None


class Status(Struct, omit_defaults=True, kw_only=True):
    """Whether the controller is online; retained, and its last will. Topic `status`."""

    online: bool
    at: Time
    controller: Annotated[str, Meta(max_length=80)] | None = None


class Pump(Struct, omit_defaults=True, kw_only=True):
    """The state of one fuelling point. Topic `pumps/{fuelling_point}`, newest wins."""

    state: PumpStateName
    at: Time
    nozzle: DeviceNumber | None = None
    product: ProductCode | None = None
    volume: Decimal | None = None
    amount: Decimal | None = None
    unit_price: Decimal | None = None


class TankGauge(Struct, omit_defaults=True, kw_only=True):
    """A gauge reading of one tank; any value may be absent. Topic `tanks/{tank}`, newest wins."""

    at: Time
    product: ProductCode | None = None
    volume: Decimal | None = None
    ullage: Decimal | None = None
    capacity: Decimal | None = None
    water: Decimal | None = None
    temperature: Decimal | None = None
    status: Annotated[str, Meta(max_length=16)] | None = None
    alarms: (
        Annotated[list[Annotated[str, Meta(max_length=64)]], Meta(max_length=ARRAY_ITEMS_MAX)]
        | None
    ) = []


class PriceInForce(Struct, omit_defaults=True, kw_only=True):
    """What a litre of a product costs, and since when."""

    product: ProductCode
    unit_price: Decimal
    since: Time | None = None


class Prices(Struct, omit_defaults=True, kw_only=True):
    """The prices in force; `id` is the price command that they answer, if any. Topic `prices`."""

    at: Time
    prices: Annotated[list[PriceInForce], Meta(max_length=ARRAY_ITEMS_MAX)]
    id: Annotated[str, Meta(max_length=64)] | None = None


class Resend(Struct, kw_only=True, tag_field="command", tag="resend"):
    """Console to site: publish these sequences of a fiscal day again. Topic `commands`.

    `ranges` are inclusive pairs, first and last.
    """

    fiscal_day: datetime.date
    ranges: Annotated[list[tuple[Sequence, Sequence]], Meta(max_length=ARRAY_ITEMS_MAX)]


class ResendSince(Struct, kw_only=True, tag_field="command", tag="resend"):
    """Console to site: publish again all that it still holds of a day and later. Topic `commands`.

    Openings, entries (as arrays), deliveries and closings; asked after a restore or a lost session.
    """

    since: datetime.date


class PriceWanted(Struct, kw_only=True, rename={"from_": "from"}):
    """What a litre of a product is to cost from a time on."""

    product: ProductCode
    unit_price: Decimal
    from_: Time


class PriceCommand(Struct, kw_only=True, tag_field="command", tag="prices"):
    """Console to site: change prices, and answer with the same `id`. Topic `commands`."""

    id: Annotated[str, Meta(max_length=64)]
    prices: Annotated[list[PriceWanted], Meta(max_length=ARRAY_ITEMS_MAX)]


class Seal(Struct, kw_only=True):
    """Console to site, retained: the newest seal of its ledger, to be kept. Topic `seals`.

    A site keeps every seal that it is sent, and never overwrites one: only so does it tell a seal
    that was replaced. `seal` and `previous_seal` are 64 hexadecimal digits; `perpetual_total` is
    the turnover of all sealed days, in the site's currency. `signature` (128 hexadecimal digits) is
    made with the key named `key` over the seal and the head of the audit trail.
    """

    fiscal_day: datetime.date
    z_number: Annotated[int, Meta(ge=1)]
    seal: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    previous_seal: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    perpetual_total: Decimal
    sealed_at: Time
    key: str | None = None
    signature: Annotated[str, Meta(pattern="^[0-9a-f]{128}$")] | None = None
    trail_number: Annotated[int, Meta(ge=0)] | None = None
    trail_digest: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")] | None = None


def topic(site_code: str, *lane: str | int) -> str:
    """Return the topic of a site's lane, e.g. `topic("S1", "pumps", 3)`."""
    return "/".join([ROOT, site_code, *map(str, lane)])


encode = msgspec.json.Encoder().encode
