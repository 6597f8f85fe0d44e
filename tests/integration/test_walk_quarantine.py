"""Whatever a quarantined message holds, every page about it answers."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from unittest import mock
from urllib.parse import urlsplit

import pytest
from django.db import transaction
from django.test import Client
from pytest_django.plugin import DjangoDbBlocker

from console.models import Role
from ledger.models import Quarantine, Site
from tests.factories import make_day, make_forecourt, make_quarantined, make_user
from tests.walking import ask, form_body, page_forms

FORM = "application/x-www-form-urlencoded"
HTMX = {"HX-Request": "true"}
Reason = Quarantine.Reason
DAY = "2026-11-24"

#: An entry, as JSON.
ENTRY = {
    "fiscal_day": b'"2026-11-24"', "sequence": b"1", "kind": b'"sale"', "amount": b'"1.00"',
    "occurred_at": b'"2026-11-24T12:00:00Z"', "product": b'"E10"', "volume": b'"1.000"',
    "unit_price": b'"1.0000"', "tax_rate": b'"19"', "fuelling_point": b"1", "nozzle": b"1",
    "tank": b"1", "payment": b'"cash"', "device_transaction": b"1", "totalizer": b'"1.000"',
    "volume_15c": b'"1.000"', "offline": b"true", "more": b"1",
}  # fmt: skip
#: What a message may hold in place of a value: bytes, for JSON forbids some of it.
VALUES = (
    b"", b"null", b"true", b"[]", b"{}", b"[1, {}]", b'""', b'"x"', b"0", b"-1", b"1.5",
    b"NaN", b"sNaN", b"Infinity", b"-Infinity", b'"NaN"', b'"sNaN"', b'"Infinity"', b"1e999999999",
    b'"1e999999999"', b"-9223372036854775809", b"7" * 5_000, b'"' + b"7" * 5_000 + b'"',
    b'"0001-01-01"', b'"9999-12-31"', b'"2026-02-30"', b'"0001-01-01T00:00:00Z"',
    b'"9999-12-31T23:59:59Z"', b'"0001-01-01T00:00:00+14:00"', b'"9999-12-31T23:59:59-14:00"',
    b'"2016-12-31T23:59:60Z"', b'"2026-11-24T12:00:00+99:99"', b'"\\ud800"', b'"\\u0000"',
    b'"a\x00b"', b'"\xff\xfe"', b'"\xed\xa0\x80"', b'"\xe2\x80\xae"', b'"</script>"', b"[" * 3_000,
    b'{"a":' * 3_000, b"[" * 900 + b"]" * 900, b'"' + b"x" * 50_000 + b'"', b'"x',
)  # fmt: skip
#: Reasons with the topic that a message of them has. An unknown topic may look like anything.
PLACES = (
    (Reason.MALFORMED, "forecourt/v1/W-1/ledger"),
    (Reason.INVALID, "forecourt/v1/W-1/ledger"),
    (Reason.CONFLICTING_DUPLICATE, "forecourt/v1/W-1/ledger"),
    (Reason.DAY_SEALED, "forecourt/v1/W-1/ledger"),
    (Reason.IMPLAUSIBLE_DAY, "forecourt/v1/W-1/ledger"),
    (Reason.IMPLAUSIBLE_DAY, "forecourt/v1/W-1/days"),
    (Reason.UNKNOWN_SITE, "forecourt/v1/N-1/ledger"),
    (Reason.UNKNOWN_SITE, "forecourt/v1/N-1/alarms"),
    (Reason.UNKNOWN_TOPIC, "forecourt/v1/W-1/nothing"),
    (Reason.UNKNOWN_TOPIC, "forecourt/v1//ledger"),
    (Reason.UNKNOWN_TOPIC, "forecourt/v1/%/pumps/99999999999999999999"),
    (Reason.UNKNOWN_TOPIC, "elsewhere"),
    (Reason.OVERSIZE, "forecourt/v1/W-1/pumps/1"),
)
DAYS = (None, datetime.date.min, datetime.date.max, datetime.date(2026, 11, 24))


def bodies() -> Iterator[bytes]:
    """Yield messages: each value as all there is, in one field, and beside many others."""
    for number, value in enumerate(VALUES):
        yield value
        name = list(ENTRY)[number % len(ENTRY)]
        yield _object(ENTRY | {name: value})
        yield _object(ENTRY | {name: value}, number)
    for name in ENTRY:
        yield _object({each: value for each, value in ENTRY.items() if each != name})
    yield b"[" + _object(ENTRY) + b"]"
    yield b"\xef\xbb\xbf" + _object(ENTRY)
    yield _object(ENTRY).decode().encode("utf-16")


def _object(fields: dict[str, bytes], others: int | None = None) -> bytes:
    """Return a JSON object; with another value in every second field from there on."""
    said = dict(fields)
    for place, name in enumerate(ENTRY if others is not None else ()):
        if place % 2:
            said[name] = VALUES[((others or 0) + 3 * place) % len(VALUES)]
    return b"{" + b", ".join(b'"%s": %s' % (key.encode(), said[key]) for key in said) + b"}"


@pytest.fixture(scope="module")
def staff(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Client]:
    """Somebody who may do all, and a message of every body; rolled back after the module."""
    with (
        django_db_blocker.unblock(),
        mock.patch("console.views.errors.close_old_connections"),
    ):
        block = transaction.atomic()
        # As Django's TestCase marks its own, within which a durable transaction may begin.
        block._from_testcase = True  # type: ignore[attr-defined]
        with block:
            site = make_forecourt("W-1", timezone="Pacific/Auckland")
            make_day(site, fiscal_day=DAY, entries=2)
            _make_messages(site)
            client = Client(raise_request_exception=False)
            client.force_login(make_user(Role.ADMINISTRATOR))
            yield client
            transaction.set_rollback(True)


def _make_messages(site: Site) -> None:
    for number, raw in enumerate(bodies()):
        reason, topic = PLACES[number % len(PLACES)]
        is_known = "/W-1/" in topic and reason != Reason.UNKNOWN_SITE
        make_quarantined(
            site=site if is_known else None,
            raw=raw,
            reason=reason,
            topic=topic,
            detail=f"{reason}: `sNaN` - at `$.{list(ENTRY)[number % len(ENTRY)]}` (byte {number})",
            fiscal_day=DAYS[number % len(DAYS)],
            sequence=(None, 1, 2, 2_147_483_647)[number // 4 % 4],
            item_index=(None, 0, 2_147_483_647)[number % 3],
        )


def failures_of(client: Client, found: Quarantine) -> Iterator[str]:
    """Ask for every page about a message, and send its forms as they are. Yields what fails."""
    about = f"/quarantine/{found.pk}/"
    pages = ("", "raw/", "mend/", "mend/?as=text", "register/", "?course=1")
    for page in pages:
        path, _mark, query = f"{about}{page}".partition("?")
        answer = ask(client, "GET", path, QUERY_STRING=query, headers=HTMX)
        if answer.failure:
            yield f"GET {page}: {answer.failure}"
        for form in page_forms(answer.text, path) if page != "raw/" else ():
            address = urlsplit(form.action)
            if form.method != "POST" or not address.path.startswith(about):
                continue
            # What nobody can know from the message, and what a person changes.
            typed = {"note": [b"x"], "name": [b"New"], "product": [b"E5"]}
            sent = ask(
                client, "POST", address.path, QUERY_STRING=address.query, headers=HTMX,
                data=form_body(form.button | form.fields | typed), content_type=FORM,
            )  # fmt: skip
            if sent.failure:
                yield f"POST {address.path}: {sent.failure}"


@pytest.mark.parametrize("place", range(len(PLACES)), ids=[f"{r}-{t}" for r, t in PLACES])
def test_each_page_of_a_message_answers_whatever_it_holds(staff: Client, place: int) -> None:
    reason, topic = PLACES[place]
    messages = Quarantine.objects.filter(reason=reason, topic=topic)
    assert len(messages) > 5
    failures = [
        f"{bytes(found.raw)[:200]!r}: {failure}"
        for found in messages
        for failure in failures_of(staff, found)
    ]
    assert not failures, "\n".join(failures)


@pytest.mark.parametrize("reason", Reason)
def test_lists_of_messages_answer_whatever_they_hold(staff: Client, reason: str) -> None:
    for query in (f"reason={reason}", f"reason={reason}&outcome=any", f"reason={reason}&q=sNaN"):
        for path in ("/quarantine/", "/quarantine/decide/"):
            for headers in ({}, HTMX):
                answer = ask(staff, "GET", path, QUERY_STRING=query, headers=headers)
                assert not answer.failure, (path, query)
    last_id = Quarantine.objects.order_by("id").last()
    assert last_id is not None
    for action in ("replay", "admit", "accept", "refuse", "dismiss"):
        sent = form_body({"action": [action.encode()], "note": [b"x"],
                          "last_id": [str(last_id.pk).encode()]})  # fmt: skip
        answer = ask(
            staff, "POST", "/quarantine/decide/", QUERY_STRING=f"reason={reason}",
            data=sent, content_type=FORM, headers=HTMX,
        )  # fmt: skip
        assert not answer.failure, action


def test_a_message_that_names_no_site_registers_none(staff: Client) -> None:
    nameless = Quarantine.objects.filter(topic="elsewhere")[0]
    for method in ("GET", "POST"):
        assert ask(staff, method, f"/quarantine/{nameless.pk}/register/").status == 404
