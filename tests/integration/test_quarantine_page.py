"""The quarantine page."""

from __future__ import annotations

import pytest
from django.test import Client

from console.models import Role
from ledger.models import Quarantine
from ledger.selectors.ingest import QUARANTINE_PER_PAGE, RAW_SHOWN_BYTES_MAX
from tests.factories import make_quarantined, make_site, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff(client: Client) -> Client:
    client.force_login(make_user())
    return client


def flat(text: str) -> str:
    return " ".join(text.split())


def test_an_empty_one_says_why(staff: Client) -> None:
    assert "the ledger took everything that arrived" in staff.get("/quarantine/").text


def test_a_message_is_shown_as_it_came(staff: Client) -> None:
    make_quarantined(
        site=make_site("S1", name="Harbour"),
        raw=b'{"a": "<script>"}\xff',
        detail="Expected `int`, got `str` - at `$.sequence`",
        seen=4,
        sequence=1042,
    )
    text = flat(staff.get("/quarantine/").text)
    assert "Expected `int`, got `str` - at `$.sequence`" in text
    assert "{&quot;a&quot;: &quot;&lt;script&gt;&quot;}\ufffd" in text
    assert "4 times" in text
    assert "1042" in text
    assert "Harbour" in text


def test_a_large_message_is_cut(staff: Client) -> None:
    make_quarantined(raw=b"x" * (RAW_SHOWN_BYTES_MAX + 1_000_000))
    answer = staff.get("/quarantine/")
    assert answer.text.count("x" * RAW_SHOWN_BYTES_MAX) == 1
    assert len(answer.content) < RAW_SHOWN_BYTES_MAX + 40_000
    assert "the first 4.0" in answer.text


def test_it_filters_by_reason(staff: Client) -> None:
    make_quarantined(detail="one of a kind")
    make_quarantined(detail="another", reason=Quarantine.Reason.UNKNOWN_SITE)
    text = staff.get("/quarantine/?reason=unknown_site", headers={"HX-Request": "true"}).text
    assert "another" in text
    assert "one of a kind" not in text
    text = staff.get("/quarantine/?reason=oversize").text
    assert "No message is in quarantine for this reason." in text
    assert staff.get("/quarantine/?reason=nonsense&before=x").status_code == 200


def test_it_comes_in_pages(staff: Client) -> None:
    messages = [make_quarantined() for _ in range(QUARANTINE_PER_PAGE + 1)]
    text = staff.get("/quarantine/").text
    assert f"message-{messages[0].id}" not in text
    before = messages[1].id
    assert f"?before={before}" in text
    assert f"message-{messages[0].id}" in staff.get(f"/quarantine/?before={before}").text


def test_a_manager_sees_their_sites_messages(client: Client) -> None:
    own = make_site("OWN")
    make_quarantined(site=own, detail="own trouble")
    make_quarantined(site=make_site("OTHER"), detail="others' trouble")
    make_quarantined(detail="nobody's trouble")
    client.force_login(make_user(Role.MANAGER, own))
    text = client.get("/quarantine/").text
    assert "own trouble" in text
    assert "others" not in text
    assert "nobody" not in text
