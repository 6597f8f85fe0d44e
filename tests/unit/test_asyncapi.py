"""The published contract says what the worker takes."""

from __future__ import annotations

import datetime
import io
import json
from decimal import Decimal
from typing import Any

import jsonschema
import msgspec
import pytest
from django.core.management import call_command

from ingest import contract, topics
from ingest.asyncapi import LANES, document
from ingest.decode import MEASURES
from tests.contract_messages import ENTRY

DOCUMENT = document()


def check(lane: str, value: Any) -> None:
    """Raise ValidationError if the document does not allow the message on the lane."""
    message = DOCUMENT["channels"][lane]["messages"][lane]["payload"]
    schema = {"components": DOCUMENT["components"]} | message
    jsonschema.Draft202012Validator(schema).validate(value)


def test_its_schemas_are_schemas() -> None:
    for schema in DOCUMENT["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


def test_every_lane_that_sites_publish_is_there() -> None:
    addresses = {channel["address"] for channel in DOCUMENT["channels"].values()}
    assert addresses == {
        "forecourt/v1/{site}/ledger",
        "forecourt/v1/{site}/day",
        "forecourt/v1/{site}/deliveries",
        "forecourt/v1/{site}/alarms",
        "forecourt/v1/{site}/status",
        "forecourt/v1/{site}/pumps/{fuelling_point}",
        "forecourt/v1/{site}/tanks/{tank}",
        "forecourt/v1/{site}/prices",
        "forecourt/v1/{site}/commands",
        "forecourt/v1/{site}/seals",
    }
    for lane in LANES:
        assert topics.parse_topic(
            contract.topic("S1", lane.name, *([1] if lane.device else [])).encode()
        ) == ("forecourt/v1/S1/" + lane.name + "/1" * bool(lane.device), "S1", lane.name,
              int(bool(lane.device)), "")  # fmt: skip


def test_qos_and_retain_are_the_contract_s() -> None:
    bindings = {
        operation["channel"]["$ref"].rpartition("/")[2]: operation["bindings"]["mqtt"]
        for operation in DOCUMENT["operations"].values()
    }
    assert {lane for lane, each in bindings.items() if each["qos"] == 0} == {"pumps", "tanks"}
    assert {lane for lane, each in bindings.items() if each["retain"]} == {
        "status",
        "pumps",
        "tanks",
        "prices",
        "seals",
    }


def test_every_decimal_says_how_exact_it_is() -> None:
    for kind in MEASURES:
        decimals = {
            field.name
            for field in msgspec.structs.fields(kind)
            if "decimal.Decimal" in str(field.type)
        }
        assert decimals == set(MEASURES[kind])


@pytest.mark.parametrize("value", [ENTRY, [ENTRY, ENTRY], ENTRY | {"volume": None}])
def test_it_allows_what_the_worker_takes(value: Any) -> None:
    check("ledger", value)


@pytest.mark.parametrize(
    "change",
    [
        {"sequence": 0},
        {"kind": "gift"},
        {"amount": "1.234"},
        {"amount": "NaN"},
        {"amount": None},
        {"product": ""},
        {"device_transaction": 65_536},
        {"offline": "yes"},
    ],
)
def test_it_refuses_what_the_worker_refuses(change: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        check("ledger", ENTRY | change)


@pytest.mark.parametrize(
    "message",
    [
        contract.Resend(fiscal_day=datetime.date(2026, 11, 22), ranges=[(3, 5), (9, 9)]),
        contract.ResendSince(since=datetime.date(2026, 11, 20)),
        contract.PriceCommand(
            id="1",
            prices=[
                contract.PriceWanted(
                    product="E10",
                    unit_price=Decimal("1.4790"),
                    from_=datetime.datetime(2026, 11, 29, 6, tzinfo=datetime.UTC),
                )
            ],
        ),
    ],
)
def test_it_knows_every_command(message: msgspec.Struct) -> None:
    told = json.loads(contract.encode(message))
    check("commands", told)
    assert set(told) <= {"command", "fiscal_day", "ranges", "since", "id", "prices"}
    assert "from_" not in json.dumps(told)


def test_the_command_prints_it() -> None:
    out = io.StringIO()
    call_command("contract", stdout=out)
    assert json.loads(out.getvalue()) == DOCUMENT
