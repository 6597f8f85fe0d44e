"""Walking the console's addresses with values that nobody expects: the values, what a view asked
for, and the forms of a page as a browser would send them.
"""

from __future__ import annotations

import asyncio
import copy
import re
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from unittest import mock
from urllib.parse import quote_from_bytes, urlsplit

from django.db import transaction
from django.forms import BaseForm
from django.http import QueryDict
from django.http.response import HttpResponseBase
from django.test import Client
from django.urls import URLPattern, get_resolver
from django.urls.converters import get_converters

#: What one answer may take of the process's own time. It is generous: the slowest take a tenth.
CPU_S_MAX = 2.0

HUGE_DIGITS = "7" * 5_000
#: What a field, a parameter or a part of an address may hold: bytes, as they come over the network.
_NASTY: Mapping[str, str | bytes] = {
    "empty": "",
    "NUL": "\x00",
    "NUL within": "a\x00b",
    "controls": "a\x01\x08\x1b\x7f\x85b",
    "lone surrogate": b"\xed\xa0\x80",
    "surrogate escape": "\\ud800",
    "no UTF-8": b"\xff\xfe\xc3\x28",
    "line ends": "a\r\nSet-Cookie: b=c",
    "bidi": "\u202e\u2066abc\u2069",
    "zero width": "\u200b\ufeff",
    "accents": "e" + "\u0301" * 500,
    "long": "x" * 60_000,
    "zero": "0",
    "minus one": "-1",
    "2**31": "2147483648",
    "2**63 - 1": "9223372036854775807",
    "2**63": "9223372036854775808",
    "below 64 bits": "-9223372036854775809",
    "5000 digits": HUGE_DIGITS,
    "huge exponent": "1e999999999",
    "NaN": "NaN",
    "sNaN": "sNaN",
    "Infinity": "Infinity",
    "superscript": "\u00b2",
    "full width": "\uff11\uff12",
    "first date": "0001-01-01",
    "last date": "9999-12-31",
    "year 10000": "10000-01-01",
    "no such day": "2026-02-30",
    "first time": "0001-01-01T00:00:00Z",
    "last time": "9999-12-31T23:59:59.999999Z",
    "first time east": "0001-01-01T00:00:00+14:00",
    "last time west": "9999-12-31T23:59:59-14:00",
    "offset": "2026-11-22T12:00:00+99:99",
    "per cent": "%",
    "placeholders": "%s %(x)d {0} {x.y}",
    "markup": "</script><script>alert(1)</script>",
    "array": "[1, 2]",
    "deep": "[" * 5_000,
    "address": "//evil.example/../..",
    "formula": "=1+1",
}
NASTY: Mapping[str, bytes] = {
    name: text if isinstance(text, bytes) else text.encode() for name, text in _NASTY.items()
}


@dataclass
class Asked:
    """What the code asked a request for, by method: names whose value it read (`values`), and all,
    those among them of which it only asked whether they are there. `fields` belong to forms, and
    `refused` are those of them that did not take their value.
    """

    values: dict[str, set[str]] = field(default_factory=lambda: {"GET": set(), "POST": set()})
    names: dict[str, set[str]] = field(default_factory=lambda: {"GET": set(), "POST": set()})
    fields: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)

    def __ior__(self, other: Asked) -> Asked:
        """Add what another request was asked for."""
        for mine, others in ((self.values, other.values), (self.names, other.names)):
            for method, names in others.items():
                mine[method] |= names
        self.fields |= other.fields
        self.refused |= other.refused
        return self


_asked = Asked()


class _AskedQueryDict(QueryDict):
    """A query that notes the names that a view or a form asks for."""

    method = ""

    def _note(self, key: str) -> None:
        _asked.values[self.method].add(key)
        _asked.names[self.method].add(key)

    def __getitem__(self, key: str) -> Any:
        self._note(key)
        return super().__getitem__(key)

    def __contains__(self, key: object) -> bool:
        _asked.names[self.method].add(str(key))
        return super().__contains__(key)

    def get(self, key: str, default: Any = None) -> Any:
        self._note(key)
        return super().get(key, default)

    def getlist(self, key: str, default: Any = None) -> Any:
        self._note(key)
        return super().getlist(key, default)

    def setdefault(self, key: Any, default: Any = None) -> Any:
        self._note(key)
        return super().setdefault(key, default)


class _AskedGet(_AskedQueryDict):
    method = "GET"


class _AskedPost(_AskedQueryDict):
    method = "POST"


@contextmanager
def noting_what_is_asked() -> Iterator[None]:
    """Let requests note which names were asked of them, and forms which fields they refused."""
    clean = BaseForm.full_clean

    def noted(form: BaseForm) -> None:
        clean(form)
        if form.is_bound:
            _asked.fields.update(form.add_prefix(name) for name in form.fields)
            refused = (name for name in form._errors or () if name in form.fields)  # type: ignore[attr-defined]
            _asked.refused.update(form.add_prefix(name) for name in refused)

    with (
        mock.patch("django.core.handlers.wsgi.QueryDict", _AskedGet),
        mock.patch("django.http.request.QueryDict", _AskedPost),
        mock.patch.object(BaseForm, "full_clean", noted),
    ):
        yield


@dataclass(frozen=True)
class Route:
    """An address of the console as the resolver knows it."""

    name: str
    pattern: str
    kinds: Mapping[str, str]

    def path(self, parts: Mapping[str, bytes]) -> str:
        """Return the address with these parts, quoted."""
        return "/" + _PART.sub(lambda found: quote_from_bytes(parts[found[2]], ""), self.pattern)


_PART = re.compile(r"<(?:([^>:]+):)?([^>]+)>")


def routes() -> list[Route]:
    """Return every address of the console."""
    found = []
    for pattern in get_resolver().url_patterns:
        assert isinstance(pattern, URLPattern), f"an include is walked by nobody yet: {pattern}"
        assert pattern.name, f"{pattern} has no name"
        route = str(pattern.pattern)
        kinds = {part[2]: part[1] or "str" for part in _PART.finditer(route)}
        assert set(kinds.values()) <= set(get_converters())
        found.append(Route(pattern.name, route, kinds))
    return found


@dataclass
class Answer:
    """An answer, and what the view asked for. `failure` is empty where all is as it should be."""

    status: int
    text: str
    location: str
    asked: Asked
    cpu_s: float
    error: str

    @property
    def failure(self) -> str:
        """What is wrong with it."""
        if self.status > 499:
            return f"{self.status} {self.error}"
        if self.cpu_s > CPU_S_MAX:
            return f"{self.cpu_s:.1f} s of CPU"
        return ""


def form_body(fields: Mapping[str, list[bytes]]) -> bytes:
    """Return fields as a form sends them; also bytes that no browser would send."""
    return b"&".join(
        quote_from_bytes(name.encode(), "").encode() + b"=" + quote_from_bytes(value, "").encode()
        for name, values in fields.items()
        for value in values
    )


def ask(client: Client, method: str, path: str, **options: Any) -> Answer:
    """Send a request and read all of its answer; whatever it stored is rolled back.

    So are the client's cookies: who was signed out by one request asks the next all the same.
    """
    global _asked
    _asked = Asked()
    cookies = copy.deepcopy(client.cookies)
    before = time.process_time()
    with _rolled_back():
        response: Any = client.generic(method, path, **options)
        text = _read(response)
    client.cookies = cookies
    cpu_s = time.process_time() - before
    error = ""
    if info := getattr(response, "exc_info", None):
        at = info[2]
        while at.tb_next:
            at = at.tb_next
        code = at.tb_frame.f_code
        error = f"{info[0].__name__}: {info[1]} ({code.co_filename}:{at.tb_lineno})"[:400]
    return Answer(
        status=response.status_code,
        text=text,
        location=response.headers.get("Location", ""),
        asked=_asked,
        cpu_s=cpu_s,
        error=error,
    )


@contextmanager
def _rolled_back() -> Iterator[None]:
    block = transaction.atomic()
    # As Django's TestCase marks its own, within which a durable transaction may begin.
    block._from_testcase = True  # type: ignore[attr-defined]
    with block:
        yield
        transaction.set_rollback(True)


def _read(response: HttpResponseBase) -> str:
    if not response.streaming:
        return response.content.decode(errors="replace")  # type: ignore[attr-defined]
    parts: Any = response.streaming_content  # type: ignore[attr-defined]
    if hasattr(parts, "__aiter__"):
        parts = asyncio.run(_listed(parts))
    return b"".join(parts).decode(errors="replace")


async def _listed(parts: AsyncIterator[bytes]) -> list[bytes]:
    return [part async for part in parts]


@dataclass
class Form:
    """A form of a page: where it goes, and what a browser would send of it untouched.

    That is its fields, and the first button that has a name.
    """

    action: str
    method: str
    fields: dict[str, list[bytes]] = field(default_factory=dict)
    button: dict[str, list[bytes]] = field(default_factory=dict)


class _Forms(HTMLParser):
    """Collects the forms of a page."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self.address = address
        self.forms: list[Form] = []
        self._by_id: dict[str, Form] = {}
        self._open: Form | None = None
        self._select: tuple[Form, str, list[tuple[str, bool]]] | None = None
        self._area: tuple[Form, str, list[str]] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            action = urlsplit(given.get("action") or self.address)
            path = action.path or urlsplit(self.address).path
            self._open = Form(
                f"{path}?{action.query}" if action.query else path,
                given.get("method", "get").upper(),
            )
            self.forms.append(self._open)
            if given.get("id"):
                self._by_id[given["id"]] = self._open
        form = self._by_id.get(given.get("form", "")) or self._open
        if tag == "option" and self._select:
            self._select[2].append((given.get("value", ""), "selected" in given))
        name = given.get("name")
        if form is None or not name or "disabled" in given:
            return
        if tag == "button" and not form.button and "formnovalidate" not in given:
            form.button = {name: [given.get("value", "").encode()]}
        elif tag == "select":
            self._select = (form, name, [])
        elif tag == "textarea":
            self._area = (form, name, [])
        elif tag == "input" and given.get("type") not in {"submit", "button", "file"}:
            is_choice = given.get("type") in {"checkbox", "radio"}
            if not is_choice or "checked" in given:
                value = given.get("value", "on" if is_choice else "")
                form.fields.setdefault(name, []).append(value.encode())

    def handle_data(self, data: str) -> None:
        if self._area:
            self._area[2].append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._open = None
        elif tag == "select" and self._select:
            form, name, options = self._select
            chosen = [value for value, is_chosen in options if is_chosen]
            first = [value for value, _is_chosen in options[:1]]
            form.fields.setdefault(name, []).extend(each.encode() for each in chosen or first)
            self._select = None
        elif tag == "textarea" and self._area:
            form, name, texts = self._area
            form.fields.setdefault(name, []).append("".join(texts).removeprefix("\n").encode())
            self._area = None


def page_forms(html: str, address: str) -> list[Form]:
    """Return the forms of the page at an address."""
    parser = _Forms(address)
    parser.feed(html)
    return parser.forms
