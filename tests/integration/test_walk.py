"""Every address, parameter and field with values that nobody expects: never a failure, never slow.

The addresses come from the resolver, the names of parameters and fields from what the views and
forms ask the request for. So whatever is new is walked, too; an address that nobody gave its parts
here, or that refuses what a person may send, fails.
"""

from __future__ import annotations

import datetime
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock
from urllib.parse import quote_from_bytes, urlsplit
from zlib import crc32

import pytest
from django.conf import settings
from django.db import transaction
from django.template.loader import render_to_string
from django.test import Client
from django.utils import timezone
from pytest_django.plugin import DjangoDbBlocker

from console.models import Role
from ledger.models import Alarm, Entry, PumpState, Quarantine, TankState
from ledger.services.sealing import seal_propose
from tests import sealing
from tests.factories import (
    PASSWORD,
    make_correction,
    make_day,
    make_forecourt,
    make_pulse,
    make_quarantined,
    make_status,
    make_user,
)
from tests.html_checker import html_errors
from tests.walking import (
    NASTY,
    Answer,
    Asked,
    Form,
    Route,
    ask,
    form_body,
    noting_what_is_asked,
    page_forms,
    routes,
)

FORM = "application/x-www-form-urlencoded"
HTMX = {"HX-Request": "true", "HX-Current-URL": "http://testserver/"}
OPEN, SEALED, READY = "2026-11-24", "2026-11-20", "2026-11-21"
#: A far zone: what is near the ends of time falls off them here.
ZONE = "Pacific/Auckland"

Fields = dict[str, list[bytes]]


class World(NamedTuple):
    """What there is to be seen and changed, and who may."""

    client: Client
    anonymous: Client
    parts: dict[str, bytes]
    #: Parts of an address that one route alone has: in another state there is nothing to do.
    parts_of: dict[str, dict[str, bytes]]

    def client_for(self, route: Route) -> Client:
        return self.anonymous if route.name == "sign_in" else self.client

    def path(self, route: Route, **parts: bytes) -> str:
        return route.path({**self.parts, **self.parts_of.get(route.name, {}), **parts})


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[World]:
    """One site with everything, made once for the module and rolled back after it."""
    with (
        django_db_blocker.unblock(),
        noting_what_is_asked(),
        # It would end the one transaction that all of this is seen in.
        mock.patch("console.views.errors.close_old_connections"),
    ):
        block = transaction.atomic()
        block._from_testcase = True  # type: ignore[attr-defined]
        with block:
            yield _make_world()
            transaction.set_rollback(True)


def _make_world() -> World:
    now = timezone.now()
    admin = make_user(Role.ADMINISTRATOR)
    other = make_user(Role.APPROVER)
    site = make_forecourt("W-1", name="Walk", timezone=ZONE)
    make_status(site)
    make_user(username="walker")
    make_pulse("east", now - datetime.timedelta(seconds=1), received=1, batches=1)
    sealing.sealed(make_day(site, fiscal_day=SEALED, entries=1), by=(admin, other))
    sealing.closed(make_day(site, fiscal_day=READY, entries=1), other)
    west = make_forecourt("W-2", name="West", timezone="Pacific/Niue", currency="JPY")
    proposed = make_day(west, fiscal_day=READY, entries=1)
    seal_propose(day=sealing.closed(proposed, other), proposed_by=other)
    make_day(site, fiscal_day=OPEN, entries=3, highest_sequence=5, last_sequence=5)
    # The day after the one that is proposed lacks entries, which wait to be explained.
    lacking = make_day(
        site, fiscal_day="2026-11-23", entries=1, highest_sequence=3, last_sequence=3,
        opened_at=now, closed_at=now,
    )  # fmt: skip
    correction = make_correction(
        Entry.objects.get(pk=(site.pk, OPEN, 2)), needs_approval=True, author=other
    )
    TankState.objects.create(site=site, tank=1, at=now, received_at=now, product="E10", volume=1)
    PumpState.objects.create(
        site=site, fuelling_point=1, state="fuelling", since=now, at=now, received_at=now,
        volume=Decimal(3), amount=Decimal(4),
    )  # fmt: skip
    Alarm.objects.create(site=site, device="tank", number=1, code="low", state="started", at=now)
    entry = (
        b'{"fiscal_day": "2026-11-24", "sequence": 1, "kind": "sale", "amount": "1.00", '
        b'"occurred_at": "2026-11-24T12:00:00Z", "product": "E10", "volume": "x"}'
    )
    message = make_quarantined(site=site, raw=entry, reason=Quarantine.Reason.INVALID)
    unknown = make_quarantined(reason=Quarantine.Reason.UNKNOWN_SITE, raw=entry)
    client, anonymous = (Client(raise_request_exception=False) for _ in range(2))
    client.force_login(admin)
    return World(
        client=client,
        anonymous=anonymous,
        parts={
            "code": site.code.encode(),
            "fiscal_day": OPEN.encode(),
            "sequence": b"1",
            "revision": str(correction.revision).encode(),
            "message_id": str(message.pk).encode(),
            "person_id": str(other.pk).encode(),
        },
        parts_of={
            "add": {"sequence": b"4"},
            "decide": {"sequence": b"2"},
            "explain_difference": {
                "fiscal_day": str(lacking.fiscal_day).encode(),
                "slug": b"missing",
            },
            "propose_seal": {"fiscal_day": READY.encode()},
            "seal_day": {"code": b"W-2", "fiscal_day": READY.encode()},
            "withdraw_seal": {"code": b"W-2", "fiscal_day": READY.encode()},
            "quarantine_register": {"message_id": str(unknown.pk).encode()},
            "audit_export": {"kind": b"csv"},
            "network_fragment": {"name": b"network_figures"},
            "site_fragment": {"name": b"site_day"},
            "day_fragment": {"name": b"day_state"},
            "site_equipment": {"part": b"products"},
            "gallery_show": {"name": b"console/_tank"},
            "gallery_frame": {"name": b"console/_tank", "state": b"filled"},
        },
    )


ROUTES = {route.name: route for route in routes()}
#: What a person types into a form beside what it shows.
TYPED: dict[str, Mapping[str, str]] = {
    "correct": {"amount": "48.00", "reason": "wrong_price", "note": "x"},
    "add": {
        "product": "E10", "amount": "1.00", "occurred_at": "2026-11-24T12:00", "note": "x",
        "reason": "not_sent",
    },
    "void": {"reason": "wrong_price", "note": "x", "confirm": "1"},
    "correct_many": {"tax_rate": "19", "payment": "1", "reason": "wrong_price", "note": "x"},
    "decide": {"decision": "approve", "note": "x"},
    "approvals": {"chosen": f"W-1/{OPEN}/2/1"},
    "acknowledge_alarm": {"alarm": "device=tank&number=1&code=low&at=2026-11-24T12:00:00Z"},
    "request_resend": {"page": "day"},
    "explain_difference": {"reason": "not_sent", "note": "x"},
    "close_day": {"reason": "gone"},
    "propose_seal": {},
    "withdraw_seal": {},
    "quarantine_decide": {"action": "dismiss", "note": "x"},
    "quarantine_message_decide": {"action": "dismiss", "note": "x"},
    "quarantine_mend": {"volume": "1.000", "note": "x"},
    "quarantine_register": {"name": "New"},
    "site_new": {"code": "W-9", "name": "New"},
    "person_new": {"username": "somebody", "password": PASSWORD, "password_again": PASSWORD},
    "person_password": {"password": PASSWORD, "password_again": PASSWORD},
    "sign_in": {"username": "walker", "password": PASSWORD},
    "language": {"language": "de", "next": "/"},
    "sign_out": {},
}  # fmt: skip
#: Streams, which are another server's; what only a developer's machine has.
NOT_HERE = {"live_network", "live_site", "live_day", "gallery_changes", "metrics"}
#: A row's number in the name of its field: what holds of one row holds of the next.
_ROW = re.compile(r"-\d+-")


#: What a page is asked for that shows nothing by itself.
ASKED: dict[str, Mapping[str, str]] = {
    "quarantine_message": {"course": "1"},
    "report_find": {"site": "W-1", "fiscal_day": OPEN},
    "report_stock": {"site": "W-1", "first": SEALED, "last": OPEN},
    "report_period": {"first": SEALED, "last": OPEN},
    "ledger": {"first": SEALED, "last": OPEN},
}
#: Fields that hold several values in one text, and what parts them.
COMPOSED = {"acknowledge_alarm": ("alarm", b"&"), "approvals": ("chosen", b"/")}
#: Streams, which are another server's; what only a developer's machine has.
NOT_HERE = {"live_network", "live_site", "live_day", "gallery_changes", "metrics"}
#: A row's number in the name of its field: what holds of one row holds of the next.
_ROW = re.compile(r"-\d+-")
#: Where these are no numbers, Django reads no row at all.
_COUNTS = re.compile(r"-(TOTAL|INITIAL|MIN_NUM|MAX_NUM)_FORMS$")

#: Texts that are stored where a field takes any: one field after the other takes one of them.
TEXTS = ("controls", "lone surrogate", "line ends", "bidi", "placeholders", "markup", "accents")

GETS = [pytest.param(route, id=route.name) for route in ROUTES.values()]
VALUES = tuple(NASTY.items())
#: Values that something reads as a number or a date.
EXTREME = [about for about, value in VALUES if re.search(rb"\d|nan|inf", value.lower())]

#: Values that a name is given beside others. WALK_TURNS=41 gives each name every value, in minutes.
TURNS = int(os.environ.get("WALK_TURNS", 12))


def values_for(route: Route, name: str) -> list[tuple[str, bytes]]:
    """Return the values that a name is given at an address: some of every kind.

    Its name says which ones: so they stay the same, and every value meets many names.
    """
    start = crc32(f"{route.name} {name}".encode())
    return [VALUES[(start + turn * len(VALUES) // TURNS) % len(VALUES)] for turn in range(TURNS)]


class Walk:
    """Asks for one address with one value after the other, and keeps what went wrong."""

    def __init__(self, world: World, route: Route, method: str) -> None:
        self.world, self.route, self.method = world, route, method
        self.failures: list[str] = []
        self.count = 0

    def send(
        self,
        note: str,
        *,
        query: Fields | None = None,
        fields: Fields | None = None,
        path: str = "",
        **options: Any,
    ) -> Answer:
        """Ask, and keep what is wrong with the answer under a few words of what was asked."""
        data = {} if self.method == "GET" else {"data": form_body(fields or {})}
        answer = ask(
            self.world.client_for(self.route),
            self.method,
            path or self.world.path(self.route),
            QUERY_STRING=form_body(query or {}).decode(),
            **{"content_type": FORM, **data, **options},
        )
        self.count += 1
        if answer.failure:
            self.failures.append(f"{note}: {answer.failure}")
        return answer

    def walk(self, base: Fields) -> None:
        """Give each name each value: many at once in turns, then alone what that cannot tell.

        First the fields of forms, then what no form reads, while all else is right, for it may be
        read only then; last the values that a form took, so that they reach what comes after.
        """
        asked = Asked()
        for is_htmx in (False, True):
            asked |= self.given(base, "as it is", is_htmx=is_htmx).asked
        names, fields = asked.names[self.method], asked.fields
        in_forms = {name for name in names & fields if not _COUNTS.search(name)}
        taken = self._in_turns(base, sorted(in_forms), asked)
        rest = names - in_forms
        read = {name for name in rest if name in asked.values[self.method] or _COUNTS.search(name)}
        self._in_turns(base, sorted(read), asked)
        for name in sorted(rest - read):
            self.given(base | {name: [b"1"]}, f"with {name}")
        texts = {name for name, about in taken if about not in ("empty", *EXTREME)}
        for place, name in enumerate(one_of_each_row(in_forms)):
            extreme = (about for about in EXTREME if (name, about) in taken)
            for about in [TEXTS[place % len(TEXTS)]] if name in texts else extreme:
                self.given(base | {name: [NASTY[about]]}, f"{name}: {about}")
        for name in one_of_each_row(names):
            self.given({each: base[each] for each in base if each != name}, f"without {name}")
        often = {name: [*base.get(name, []), *NASTY.values()] for name in names}
        self.given(often, "all often")
        self.given({f"{name}[]": [b"1"] for name in names} | base, "arrays")
        self.given({f"x{number}": [b"1"] for number in range(2_000)} | base, "2,000 more")

    def _in_turns(self, base: Fields, names: Sequence[str], asked: Asked) -> set[tuple[str, str]]:
        """Give the names another value each, turn by turn. Returns what forms took."""
        taken = set()
        values = {name: values_for(self.route, name) for name in names}
        for number in range(TURNS if names else 0):
            turn = {name: some[number] for name, some in values.items()}
            given = base | {name: [value] for name, (_, value) in turn.items()}
            answer = self.given(given, f"turn {number}: {', '.join(turn)}"[:200])
            asked |= answer.asked
            taken |= {
                (name, about)
                for name, (about, _) in turn.items()
                if name not in answer.asked.refused
            }
        return taken

    def given(self, values: Fields, note: str, *, is_htmx: bool | None = None) -> Answer:
        """Ask with these parameters, or send these fields and what is shown of them.

        Mostly as htmx does: the part of a page is rendered sooner than all of it.
        """
        is_htmx = self.count % 16 != 0 if is_htmx is None else is_htmx
        options: dict[str, Any] = {"headers": HTMX} if is_htmx else {}
        if self.method == "GET":
            return self.send(note, query=values, **options)
        answer = self.send(note, fields=values, **options)
        if answer.status == 200:
            self.confirmed(answer, f"{note}, confirmed")
        return answer

    @property
    def is_allowed(self) -> bool:
        return self.send("bare").status != 405

    def own_form(self, answer: Answer) -> Form | None:
        """The form of the page that is sent to this address."""
        path = self.world.path(self.route)
        forms = page_forms(answer.text, path)
        own = [
            form for form in forms if form.method == "POST" and urlsplit(form.action).path == path
        ]
        return max(own, key=lambda form: len(form.fields), default=None)

    def sent_by_a_person(self) -> Fields:
        """What a person may send here, without the last step where it is shown first."""
        typed = {name: [value.encode()] for name, value in TYPED.get(self.route.name, {}).items()}
        form = self.own_form(get_page(self.world, self.route))
        fields = {**(form.button if form else {}), **(form.fields if form else {}), **typed}
        fields.pop("csrfmiddlewaretoken", None)
        answer = self.confirmed(self.send("what a person sends", fields=fields))
        assert answer.status in (200, 302, 303), (
            f"{self.route.name} refuses what a person may send ({answer.status}); say in TYPED "
            f"what is typed into {sorted(answer.asked.refused)}"
        )
        return fields

    def confirmed(self, answer: Answer, note: str = "confirmed") -> Answer:
        """Send what was shown, where it is shown before it is done."""
        shown = self.own_form(answer) if answer.status == 200 else None
        if shown is None or not shown.button:
            return answer
        return self.send(note, fields=shown.button | shown.fields)


def get_page(world: World, route: Route) -> Answer:
    return Walk(world, route, "GET").send("page", query=asked_for(route))


def asked_for(route: Route) -> Fields:
    return {name: [value.encode()] for name, value in ASKED.get(route.name, {}).items()}


def one_of_each_row(names: set[str]) -> list[str]:
    return sorted({_ROW.sub("-0-", name): name for name in sorted(names, reverse=True)}.values())


def done(walk: Walk) -> None:
    assert not walk.failures, f"{len(walk.failures)} of {walk.count}:\n" + "\n".join(walk.failures)


@pytest.mark.parametrize("route", GETS)
def test_a_page_answers_whatever_its_parameters_hold(world: World, route: Route) -> None:
    walk = Walk(world, route, "GET")
    base = asked_for(route)
    status = walk.send("plain", query=base).status
    if route.name in NOT_HERE:
        assert status in (404, 503)
        return
    assert status in (200, 204, 302, 405)
    if status != 405:
        walk.walk(base)
    done(walk)


@pytest.mark.parametrize("route", GETS)
def test_a_form_answers_whatever_its_fields_hold(world: World, route: Route) -> None:
    walk = Walk(world, route, "POST")
    if walk.is_allowed:
        walk.walk(walk.sent_by_a_person())
        done(walk)


@pytest.mark.parametrize("route", GETS)
def test_an_address_answers_whatever_its_parts_are(world: World, route: Route) -> None:
    walk = Walk(world, route, "GET")
    for name in route.kinds if route.name not in NOT_HERE else ():
        for about, value in values_for(route, name):
            if value and len(value) < 10_000:
                walk.send(f"{name}: {about}", path=world.path(route, **{name: value}))
    done(walk)


HEADERS = (
    "HX-Current-URL", "HX-Request", "HX-Target", "HX-Boosted", "Accept-Language", "Accept",
    "Accept-Encoding", "Referer", "Origin", "If-None-Match", "If-Modified-Since", "Authorization",
    "Range", "Content-Type", "Content-Length", "X-Forwarded-For", "X-Forwarded-Proto", "User-Agent",
)  # fmt: skip
COOKIES = (
    settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME, settings.LANGUAGE_COOKIE_NAME, "theme",
    "messages",
)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "method"),
    [("site_options", "GET"), ("language", "POST")],
)
def test_an_address_answers_whatever_its_headers_say(world: World, name: str, method: str) -> None:
    walk = Walk(world, ROUTES[name], method)
    # Where these are read, they are read as texts: every third value shows how.
    for about, value in VALUES[::3]:
        said = value.decode("latin-1")
        for header in HEADERS if len(value) < 10_000 else ():
            key = header.upper().replace("-", "_")
            key = key if key.startswith("CONTENT_") else f"HTTP_{key}"
            options: dict[str, Any] = {key: said}
            walk.send(f"{header}: {about}", **options)
        for cookie in COOKIES:
            walk.send(f"cookie {cookie}: {about}", HTTP_COOKIE=f"{cookie}={said}")
    done(walk)


BODIES: dict[str, tuple[str, bytes]] = {
    "JSON": ("application/json", b'{"note": [1, {"a": null}]}'),
    "a file": (
        "multipart/form-data; boundary=x",
        b'--x\r\nContent-Disposition: form-data; name="note"; filename="a\x00/b"\r\n\r\n--x--',
    ),
    "multipart that ends early": ("multipart/form-data; boundary=x", b"--x\r\nContent-Dispo"),
    "multipart without a boundary": ("multipart/form-data", b"--x\r\n"),
    "another encoding": ("application/x-www-form-urlencoded; charset=utf-16", b"note=a"),
    "no such encoding": ("application/x-www-form-urlencoded; charset=sNaN", b"note=a"),
    "too many fields": (FORM, b"&".join(b"x%d=1" % number for number in range(6_000))),
    "3 MB": (FORM, b"note=" + b"x" * 3_000_000),
    "no form": (FORM, b"\x00\xff%zz&&==%&"),
    "nothing": ("", b""),
}


@pytest.mark.parametrize("route", GETS)
def test_an_address_answers_whatever_is_sent_to_it(world: World, route: Route) -> None:
    walk = Walk(world, route, "POST")
    for about, (content_type, body) in BODIES.items() if walk.is_allowed else ():
        walk.send(about, data=body, content_type=content_type)
    for method in ("PUT", "DELETE", "OPTIONS", "TRACE"):
        answer = ask(world.client_for(route), method, world.path(route))
        assert not answer.failure, method
    done(walk)


@pytest.mark.parametrize("name", COMPOSED)
def test_a_text_of_several_values_is_read_with_care(world: World, name: str) -> None:
    walk = Walk(world, ROUTES[name], "POST")
    field, mark = COMPOSED[name]
    parts = TYPED[name][field].encode().split(mark)
    for place, part in enumerate(parts):
        key = part.partition(b"=")[0] + b"=" if b"=" in part else b""
        for about, value in VALUES:
            said = quote_from_bytes(value).encode() if key else value
            text = mark.join([*parts[:place], key + said, *parts[place + 1 :]])
            walk.send(f"{place}: {about}", fields={field: [text]})
    done(walk)


def test_every_page_is_valid_html(world: World, tmp_path: Path) -> None:
    pages: dict[str, Answer] = {}
    for name, route in ROUTES.items():
        if name not in NOT_HERE:
            pages[name] = get_page(world, route)
            pages[f"{name}.asked"] = Walk(world, route, "GET").send("x", query={"q": [b"x"]})
            pages[f"{name}.wrong"] = Walk(world, route, "POST").send("x", fields={"x": [b""]})
    pages["missing"] = ask(world.client, "GET", "/nowhere/")
    pages["signed-out"] = ask(world.anonymous, "POST", "/approvals/")
    count = 0
    for name, answer in pages.items():
        if "<!DOCTYPE html>" in answer.text:
            assert re.search(r'<html\s+lang="[a-z]{2}"', answer.text), name
            (tmp_path / f"{name}.html").write_text(answer.text.lstrip())
            count += 1
    for name in ("403_csrf.html", "500.html"):
        page = render_to_string(name)
        assert '<html lang="en"' in page
        (tmp_path / name).write_text(page)
    assert count > 40
    assert "\n".join(html_errors(tmp_path)) == ""
