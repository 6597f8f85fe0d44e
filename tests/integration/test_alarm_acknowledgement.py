"""An alarm that somebody has taken note of recedes, and stays until it is over."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from console.models import Role, User
from ledger.models import Alarm, AlarmAcknowledgement, Site
from ledger.selectors.attention import attention, attention_list
from ledger.selectors.forecourt import alarms
from ledger.services.alarms import alarm_acknowledge
from tests.factories import make_site, make_user

ACKNOWLEDGE = "/sites/S1/alarms/acknowledge/"


@pytest.fixture
def alarm(db: None) -> Alarm:
    return make_alarm(make_site("S1"))


def make_alarm(site: Site, **values: Any) -> Alarm:
    defaults = {
        "device": "tank & more",
        "number": 1,
        "code": "low_product",
        "state": "started",
        "at": timezone.now() - datetime.timedelta(minutes=5),
        "severity": "warning",
    }
    return Alarm.objects.create(site=site, **defaults | values)


def acknowledge(alarm: Alarm, person: User, **changes: Any) -> bool:
    key = {name: getattr(alarm, name) for name in ("site", "device", "number", "code", "at")}
    return alarm_acknowledge(**key | changes, acknowledged_by=person)


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def test_the_first_who_takes_note_stays_on_record(alarm: Alarm) -> None:
    first, second = make_user(first_name="Maja"), make_user(first_name="Ben")
    assert acknowledge(alarm, first)
    assert not acknowledge(alarm, second)
    (view,) = alarms(alarm.site)
    assert view.acknowledgement is not None
    assert view.acknowledgement.acknowledged_by == first
    assert view.is_on
    assert not view.is_urgent


def test_a_new_start_asks_for_attention_anew(alarm: Alarm) -> None:
    site = alarm.site
    assert attention_list(attention(Site.objects.all())).items
    acknowledge(alarm, make_user())
    assert not attention_list(attention(Site.objects.all())).items
    Alarm.objects.filter(site=site).update(state="finished", at=timezone.now())
    assert not alarms(site)[0].is_on
    Alarm.objects.filter(site=site).update(state="started", at=timezone.now())
    assert alarms(site)[0].is_urgent
    assert attention_list(attention(Site.objects.all())).items
    assert AlarmAcknowledgement.objects.count() == 1


def test_what_is_over_or_started_anew_is_not_acknowledged_unseen(alarm: Alarm) -> None:
    person = make_user()
    assert not acknowledge(alarm, person, at=alarm.at - datetime.timedelta(seconds=1))
    assert not acknowledge(alarm, person, number=2)
    Alarm.objects.update(state="finished")
    assert not acknowledge(alarm, person)
    assert not AlarmAcknowledgement.objects.exists()


def test_what_is_grave_and_new_stands_first(alarm: Alarm) -> None:
    site, now = alarm.site, timezone.now()
    acknowledge(alarm, make_user())
    make_alarm(site, number=2, state="finished", at=now)
    make_alarm(site, number=3, at=now)
    make_alarm(site, number=4, at=now - datetime.timedelta(hours=1), severity="Critical")
    assert [view.alarm.number for view in alarms(site)] == [4, 3, 1, 2]
    assert alarms(Site(id=999)) == []


def test_the_button_names_the_alarm_and_the_page_who_took_note(alarm: Alarm) -> None:
    client = client_of(make_user(Role.MANAGER, alarm.site, first_name="Maja", last_name="L"))
    text = " ".join(client.get("/sites/S1/").text.split())
    assert "1 new" in text
    assert f'formaction="{ACKNOWLEDGE}"' in text
    (view,) = alarms(alarm.site)
    answer = client.post(ACKNOWLEDGE, {"alarm": view.key})
    assert answer["Location"] == "/sites/S1/#site_alarms"
    text = " ".join(client.get("/sites/S1/").text.split())
    assert "Acknowledged by Maja L" in text
    assert f'formaction="{ACKNOWLEDGE}"' not in text
    assert "1 new" not in text


def test_htmx_gets_the_alarms_as_they_are(alarm: Alarm) -> None:
    client = client_of(make_user())
    (view,) = alarms(alarm.site)
    Alarm.objects.update(state="finished", at=timezone.now())
    answer = client.post(ACKNOWLEDGE, {"alarm": view.key}, headers={"HX-Request": "true"})
    assert answer["HX-Retarget"] == '[data-fragment="site_alarms"]'
    assert "Over" in answer.text


@pytest.mark.parametrize("key", ["", "device=tank", "device=tank&number=x&code=y&at=z", "\x00"])
def test_a_key_that_is_none_changes_nothing(alarm: Alarm, key: str) -> None:
    assert client_of(make_user()).post(ACKNOWLEDGE, {"alarm": key}).status_code == 302
    assert not AlarmAcknowledgement.objects.exists()


def test_who_may(alarm: Alarm) -> None:
    (view,) = alarms(alarm.site)
    data = {"alarm": view.key}
    assert client_of(make_user(Role.AUDITOR)).post(ACKNOWLEDGE, data).status_code == 403
    assert client_of(make_user(Role.FRONTEND)).post(ACKNOWLEDGE, data).status_code == 404
    assert client_of(make_user(Role.MANAGER)).post(ACKNOWLEDGE, data).status_code == 404
    assert Client(enforce_csrf_checks=True).post(ACKNOWLEDGE, data).status_code == 403
    assert client_of(make_user()).get(ACKNOWLEDGE).status_code == 405
    assert not AlarmAcknowledgement.objects.exists()
