"""What a person waits for while correcting entries: each step of the form, one entry after another.

The requests are those of the page with scripts: the form, the amount that is worked out while one
types, what would change, and the correction itself, which is committed. Every entry is another
one of a site's open day, so that each correction takes effect at once.
"""

from __future__ import annotations

import http.client
import time
from decimal import Decimal
from html.parser import HTMLParser
from urllib.parse import urlencode

from django.conf import settings

STEPS = (
    "the form",
    "the amount, as one types",
    "what changes",
    "the correction, committed",
)
#: Entries that are corrected before any time is taken.
WARM_UP = 5


class _Fields(HTMLParser):
    """The values of a page's form by name, as a browser would send them."""

    def __init__(self) -> None:
        super().__init__()
        self.values: dict[str, str] = {}
        self._select = ""
        self._text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        name, value = told.get("name") or "", told.get("value") or ""
        if tag == "select":
            self._select = name
        elif tag == "textarea":
            self._text = name
            self.values[name] = ""
        elif tag == "option" and self._select and "selected" in told:
            self.values[self._select] = value
        elif tag == "input" and name and (told.get("type") != "checkbox" or "checked" in told):
            self.values[name] = value

    def handle_endtag(self, tag: str) -> None:
        if tag == "select":
            self._select = ""
        elif tag == "textarea":
            self._text = ""

    def handle_data(self, data: str) -> None:
        if self._text:
            self.values[self._text] += data.strip()


class _Person:
    """Somebody who signed in, on a connection that is kept alive."""

    def __init__(self, port: int, session: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._cookies = {settings.SESSION_COOKIE_NAME: session}

    def ask(
        self, path: str, fields: dict[str, str] | None = None
    ) -> tuple[http.client.HTTPResponse, str, float]:
        """Return the answer, its text, and the ms from the request to the last byte."""
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self._cookies.items())}
        body = None
        if fields is not None:
            headers |= {
                "Content-Type": "application/x-www-form-urlencoded",
                "HX-Request": "true",
                "X-CSRFToken": fields["csrfmiddlewaretoken"],
            }
            body = urlencode(fields)
        began = time.perf_counter()
        self._connection.request("GET" if body is None else "POST", path, body, headers)
        answer = self._connection.getresponse()
        text = answer.read().decode()
        took_ms = (time.perf_counter() - began) * 1000
        for each in answer.headers.get_all("Set-Cookie", []):
            name, _, value = each.partition(";")[0].partition("=")
            self._cookies[name] = value
        if answer.status != 200:
            raise RuntimeError(f"{path} answered {answer.status}")
        return answer, text, took_ms

    def close(self) -> None:
        self._connection.close()


def times_ms(port: int, session: str, day_path: str, entries: int) -> dict[str, list[float]]:
    """Correct so many entries of an open day, from its first; return each step's times."""
    person = _Person(port, session)
    took: dict[str, list[float]] = {step: [] for step in STEPS}
    for sequence in range(1, WARM_UP + entries + 1):
        path = f"{day_path}{sequence}/correct/"
        answers = _correct(person, path)
        if sequence > WARM_UP:
            for step, ms in zip(STEPS, answers, strict=True):
                took[step].append(ms)
    person.close()
    return took


def _correct(person: _Person, path: str) -> list[float]:
    _, page, shown_ms = person.ask(path)
    fields = _fields(page)
    fields |= {
        "amount": str(Decimal(fields["amount"].replace(",", "")) + Decimal("0.01")),
        "reason": "wrong_price",
    }
    _, _, typed_ms = person.ask(f"{path}?suggest=1", fields)
    _, preview, preview_ms = person.ask(path, fields)
    answer, _, sent_ms = person.ask(path, _fields(preview) | {"confirm": "1"})
    if "HX-Redirect" not in answer.headers:
        raise RuntimeError(f"{path} was not corrected")
    return [shown_ms, typed_ms, preview_ms, sent_ms]


def _fields(page: str) -> dict[str, str]:
    """Return the values of the form that corrects, and of no other on the page."""
    parser = _Fields()
    begin = page.index('id="correction_form"')
    parser.feed(page[begin : page.index("</form>", begin)].partition(">")[2])
    return parser.values
