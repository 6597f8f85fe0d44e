"""What axe finds on a page in light and dark, on a phone and a wide screen, with one load of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from axe_playwright_python.base import AxeResults
from axe_playwright_python.sync_playwright import Axe

if TYPE_CHECKING:
    from playwright.sync_api import Page

_AXE = Axe().axe_script
PHONE, WIDE = (360, 780), (1600, 1000)
#: The narrowest and the widest screen that the pages are made for.
WIDTHS = (320, 2560)
#: What reaches out of the window and is the innermost to do so, when the page scrolls sideways.
_WIDER = """width => {
  if (document.documentElement.scrollWidth <= width) return [];
  const reaches = [...document.querySelectorAll("main *, .topbar *")].filter(
    each => each.getBoundingClientRect().right > width + 0.5);
  return reaches.filter(each => !reaches.some(other => other !== each && each.contains(other)))
    .slice(0, 5).map(each => each.outerHTML.slice(0, 120));
}"""
#: All rules, and the one of WCAG 2.2 AA that axe leaves out unless it is asked.
ALL_RULES = {"resultTypes": ["violations"], "rules": {"target-size": {"enabled": True}}}
#: The themes differ in colours alone.
COLOUR_RULES = {"resultTypes": ["violations"], "runOnly": ["color-contrast", "link-in-text-block"]}


def barriers(page: Page) -> list[str]:
    """Return what is amiss on the open page: violations, and what is wider than the screen."""
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    page.evaluate(_AXE)
    found = []
    for name, (width, height) in (("phone", PHONE), ("wide", WIDE)):
        page.set_viewport_size({"width": width, "height": height})
        found += _violations(page, name, "light", ALL_RULES)
        found += _too_wide(page, width)
    # Which colours stand on which does not depend on the width.
    found += _violations(page, name, "dark", COLOUR_RULES)
    return found + fits(page)


def fits(page: Page) -> list[str]:
    """Return which of the narrowest and the widest screen the page does not fit."""
    found = []
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 1000})
        found += _too_wide(page, width)
    return found


def _violations(
    page: Page, name: str, theme: Literal["light", "dark"], rules: dict[str, object]
) -> list[str]:
    page.emulate_media(color_scheme=theme, reduced_motion="reduce")
    results = AxeResults(page.evaluate("rules => axe.run(rules)", rules))
    if not results.violations_count:
        return []
    return [f"{page.url} {name} {theme}\n{results.generate_report()}"]


def _too_wide(page: Page, width: int) -> list[str]:
    wider = page.evaluate(_WIDER, width)
    return [f"{page.url} scrolls sideways at {width}: {wider}"] if wider else []
