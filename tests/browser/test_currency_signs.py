"""A figure and the sign of its currency stay in one line, also on a phone."""

from __future__ import annotations

import pytest
from django.utils import timezone
from playwright.sync_api import Page

from console.models import Role
from tests.browser.conftest import sign_in
from tests.factories import make_day, make_forecourt, make_status, make_user

#: Long figures in place of short ones: how many lines each takes, and whether all stays within.
FIGURES = """() => {
  const row = document.querySelector(".site-row");
  const lines = Object.entries({ litres: "102,345 L", amount: "186,639.22\\u202fKč" }).map(
    ([name, text]) => {
      const figure = row.querySelector(`.site-row__${name} [data-figure]`);
      figure.textContent = text;
      return figure;
    }).map(figure => {
      const range = document.createRange();
      range.selectNodeContents(figure);
      return new Set([...range.getClientRects()].map(box => Math.round(box.top))).size;
    });
  const isWithin = document.documentElement.scrollWidth <= innerWidth
    && [...row.children].every(
      each => each.getBoundingClientRect().right <= row.getBoundingClientRect().right);
  return { lines, isWithin };
}"""


@pytest.mark.parametrize("width", [320, 360, 412])
def test_no_figure_of_a_sites_card_parts_from_its_sign(
    page: Page, committed_db: None, width: int
) -> None:
    site = make_forecourt("CZ-1", name="Praha", currency="CZK")
    make_status(site)
    make_day(site, fiscal_day=timezone.now().date().isoformat(), entries=2)
    sign_in(page, make_user(Role.ADMINISTRATOR))
    page.set_viewport_size({"width": width, "height": 780})
    page.goto("/")
    assert page.evaluate(FIGURES) == {"lines": [1, 1], "isWithin": True}
