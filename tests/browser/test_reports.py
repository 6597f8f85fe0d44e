"""Reports in a browser: proper pages of paper."""

from __future__ import annotations

import re
import zlib

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import sign_in
from tests.browser.test_accessibility import make_everything
from tests.factories import make_user

PERIOD = "first=2026-11-01&last=2026-11-30"
ENDS = "1 Nov 2026", "30 Nov 2026"


@pytest.mark.parametrize(
    ("path", "pages", "words"),
    [
        ("/sites/S1/days/2026-11-21/report/", 2, ["Harbour Road (S1)", "21 Nov 2026", "X report"]),
        (f"/reports/period/?{PERIOD}", 2, ["All sites", *ENDS]),
        (f"/reports/period/?{PERIOD}&sites=S1", 2, ["Harbour Road (S1)", *ENDS]),
        (f"/reports/stock/?{PERIOD}&site=S1", 1, ["Harbour Road (S1)", *ENDS]),
    ],
)
def test_a_report_prints_as_a_document(page: Page, path: str, pages: int, words: list[str]) -> None:
    make_everything()
    sign_in(page, make_user())
    page.goto("/reports/")
    page.locator("a[href='/reports/']").first.wait_for()
    page.goto(path)
    page.emulate_media(media="print")
    for selector in (".rail", ".topbar", ".filter", ".report__formats"):
        for each in page.locator(selector).all():
            expect(each).to_be_hidden()
    running = page.locator(".report__running")
    expect(running).to_be_visible()
    # What is fixed is repeated on every page, in its own area alone: above it, it would be drawn at
    # the end of the page before. So each page's part of the report has to leave room for it.
    style = "each => [getComputedStyle(each).position, getComputedStyle(each).top]"
    assert running.evaluate(style) == ["fixed", "0px"]
    report = page.locator(".report")
    assert report.evaluate("each => getComputedStyle(each).boxDecorationBreak") == "clone"
    room = report.evaluate("each => parseFloat(getComputedStyle(each).paddingBlockStart)")
    assert room > running.evaluate("each => each.offsetHeight")
    for each_words in words:
        expect(running).to_contain_text(each_words)
    paper = page.pdf(prefer_css_page_size=True, print_background=False)
    boxes = re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", paper) or re.findall(
        rb"/MediaBox\s*\[0 0 ([\d.]+) ([\d.]+)\]", b"".join(_streams(paper))
    )
    assert len(boxes) >= pages
    assert {(round(float(width)), round(float(height))) for width, height in boxes} == {(595, 842)}


def _streams(paper: bytes) -> list[bytes]:
    """The compressed parts of a PDF that can be read."""
    found = []
    for match in re.finditer(rb"stream\r?\n(.*?)endstream", paper, re.DOTALL):
        try:
            found.append(zlib.decompress(match[1]))
        except zlib.error:
            continue
    return found
