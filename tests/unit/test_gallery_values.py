"""What a fixture says in plain words becomes what a view would give."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import pytest

from console.gallery.render import GalleryRenderer
from console.gallery.values import FixtureError, Values, merged
from console.template_contract import ContextName
from ledger.models import Kind, PumpState, Site
from ledger.selectors.attention import Topic
from ledger.selectors.forecourt import FuellingPointView, TankView

NOW = datetime.datetime(2026, 11, 22, 14, 3, tzinfo=datetime.UTC)
SHARED: dict[str, Any] = {
    "site": {"id": 1, "code": "S1"},
    "tank": {"number": 2, "product": "B7", "volume": "18250.000"},
    "round": {"use": "@round"},
}


def made(value: Any, note: str = "", name: str = "it") -> Any:
    values = Values(SHARED, now=NOW, renderer=GalleryRenderer())
    return values.of_contract(value, ContextName(name=name, note=note))


def test_times_are_told_from_now() -> None:
    assert made("now-2h+10m") == NOW - datetime.timedelta(hours=1, minutes=50)
    assert made("today-1d") == datetime.date(2026, 11, 21)
    assert made("now and then") == "now and then"


def test_a_table_becomes_what_the_contract_names() -> None:
    tank = made({"use": "@tank", "at": "now-5m"}, "TankView: of the site")

    assert isinstance(tank, TankView)
    assert tank.volume == Decimal(18250)
    assert tank.at == NOW - datetime.timedelta(minutes=5)
    assert tank.water is None


def test_and_what_is_in_it_what_its_fields_are() -> None:
    point = made(
        {"number": 3, "state": {"state": "fuelling", "volume": "12.31"}}, "FuellingPointView"
    )

    assert isinstance(point, FuellingPointView)
    assert isinstance(point.state, PumpState)
    assert point.is_delivering
    assert point.state.volume == Decimal("12.31")
    assert point.state.site.code == "S1"


def test_a_list_becomes_a_list_of_them_and_a_table_is_kept_by_key() -> None:
    assert [type(each) for each in made(["@site", "@site"], "Site, closest first")] == [Site, Site]
    assert made({"offline": 2}, "count by Topic") == {Topic.OFFLINE: 2}
    assert list(made({"2": "@tank"}, "TankView by tank number")) == [2]


def test_a_choice_is_told_by_its_english_label_in_every_language() -> None:
    entry = made({"is": "Entry", "kind": "drive-off"})

    assert entry.kind == Kind.DRIVE_OFF


def test_rows_take_turns_and_go_on_by_steps() -> None:
    rows = made(
        {
            "repeat": 3,
            "number": {"from": 1, "step": 2},
            "name": {"cycle": ["a", "b"]},
            "at": {"from": "now", "step": "-1m"},
        }
    )

    assert [(row["number"], row["name"]) for row in rows] == [(1, "a"), (3, "b"), (5, "a")]
    assert rows[2]["at"] == NOW - datetime.timedelta(minutes=2)


def test_a_state_lies_over_what_all_have() -> None:
    common = {"tank": "@tank", "point": {"state": {"state": "idle"}, "number": 3}}
    own = {"tank": {"volume": "1"}, "point": {"state": {"state": "closed"}}}

    found = merged(common, own)

    assert found["tank"] == {"use": "@tank", "volume": "1"}
    assert found["point"] == {"state": {"state": "closed"}, "number": 3}


def test_a_form_is_as_it_was_sent() -> None:
    form = made({"data": {"first": "soon"}, "disabled": ["last"]}, "PeriodForm")

    assert list(form.errors) == ["first"]
    assert form.fields["last"].disabled


@pytest.mark.parametrize(
    ("value", "note", "message"),
    [
        ({"volme": "1"}, "TankView", "it: TankView has no “volme”. It has: number, product"),
        (
            {"state": {"sate": "idle"}},
            "FuellingPointView",
            "it: state: sate: PumpState has no “sate”",
        ),
        ({"number": 1, "volume": "much"}, "TankView", "it: volume: 'much' is no decimal"),
        ({"number": 1, "at": "soon"}, "TankView", "it: at: 'soon' is no time"),
        ("parked", "SiteState", "it: 'parked' is no SiteState: live"),
        ({"is": "Entry", "kind": "gift"}, "", "it: kind: 'gift' is none of: sale"),
        ("@tnk", "TankView", "it: There is no shared value “@tnk”"),
        ("@round", "", "it: A shared value contains itself"),
        ({"is": "Nobody"}, "", "it: Nothing is called “Nobody”"),
        ("full", "TankView", "it: It wants a table"),
        ({"repeat": 9999}, "", "it: “repeat” is"),
    ],
)
def test_what_cannot_be_is_said_with_its_place(value: Any, note: str, message: str) -> None:
    with pytest.raises(FixtureError) as raised:
        made(value, note)

    assert str(raised.value).startswith(message)
