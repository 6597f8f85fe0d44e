"""The console's figures for Prometheus, and who gets them."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from tests.factories import make_site, make_user

pytestmark = pytest.mark.django_db
TOKEN = "a token that monitoring knows"


def samples(text: str) -> dict[tuple[str, str], float]:
    """Each value by its name and view."""
    return {
        (sample.name, sample.labels.get("view", "")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def ask(client: Client, token: str = TOKEN) -> Any:
    return client.get("/metrics", headers={"Authorization": f"Bearer {token}"})


def test_whoever_knows_the_token_is_answered(client: Client, settings: Any) -> None:
    settings.METRICS_TOKEN = TOKEN
    answer = ask(client)
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/plain; version=")
    values = samples(answer.text)
    assert values["forecourt_console_streams", ""] == 0
    assert values["forecourt_console_streams_max", ""] == 5_000
    assert values["process_resident_memory_bytes", ""] > 0


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer wrong", f"Basic {TOKEN}", TOKEN])
def test_whoever_does_not_is_refused(client: Client, settings: Any, authorization: str) -> None:
    settings.METRICS_TOKEN = TOKEN
    # Neither does it help to be somebody, or to be on this machine.
    settings.DEBUG = True
    client.force_login(make_user())
    answer = client.get("/metrics", headers={"Authorization": authorization})
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"].startswith("Bearer")
    assert "forecourt_" not in answer.text


def test_without_a_token_there_is_no_such_page(client: Client) -> None:
    assert client.get("/metrics").status_code == 404
    assert ask(client, "").status_code == 404


@pytest.mark.parametrize(
    ("address", "status"), [("127.0.0.1", 200), ("::1", 200), ("192.0.2.7", 404), ("", 404)]
)
def test_without_a_token_development_answers_this_machine(
    client: Client, settings: Any, address: str, status: int
) -> None:
    settings.DEBUG = True
    assert client.get("/metrics", REMOTE_ADDR=address).status_code == status


def test_requests_are_counted_by_the_name_of_their_address(client: Client, settings: Any) -> None:
    settings.METRICS_TOKEN = TOKEN
    make_site("HILL")
    client.force_login(make_user())
    before = samples(ask(client).text)
    client.get("/sites/HILL/")
    client.get("/sites/NONE/")
    after = samples(ask(client).text)
    name = ("forecourt_console_request_seconds_count", "site")
    assert after[name] - before.get(name, 0) == 2
    assert not any("HILL" in view for _, view in after)


def test_it_rejects_post(client: Client) -> None:
    assert client.post("/metrics").status_code == 405
