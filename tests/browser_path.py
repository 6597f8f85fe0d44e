"""Where the browser is that the tests drive: Playwright's own, else the system's Chromium."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

#: `make test` writes here which browser it saw running.
REMEMBERED = Path(__file__).resolve().parent.parent / "var" / "test" / "chromium"

_SYSTEM_NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome")
_PLAYWRIGHT_PATTERNS = (
    "chromium_headless_shell-*/*/chrome-headless-shell",
    "chromium_headless_shell-*/*/headless_shell",
    "chromium-*/*/chrome",
    "chromium-*/*/*.app/Contents/MacOS/*",
)


class NoBrowserError(Exception):
    """This machine has no browser that the tests can drive."""


def chromium_path() -> Path:
    """Return the browser's program: the one of FORECOURT_CHROMIUM, the remembered, the first.

    NoBrowserError if there is none.
    """
    if chosen := os.environ.get("FORECOURT_CHROMIUM"):
        return Path(chosen)
    if REMEMBERED.is_file() and (remembered := Path(REMEMBERED.read_text())).is_file():
        return remembered
    if found := next(installed_browsers(), None):
        return found
    raise NoBrowserError("No Chromium is installed; `make test` installs it.")


def installed_browsers() -> Iterator[Path]:
    """Yield the browsers that are there, the newest of Playwright's first."""
    for pattern in _PLAYWRIGHT_PATTERNS:
        yield from sorted(_playwright_folder().glob(pattern), reverse=True)
    for name in _SYSTEM_NAMES:
        if found := shutil.which(name):
            yield Path(found)


def _playwright_folder() -> Path:
    if chosen := os.environ.get("PLAYWRIGHT_BROWSERS_PATH", "").strip("0"):
        return Path(chosen)
    caches = "Library/Caches" if sys.platform == "darwin" else ".cache"
    return Path.home() / caches / "ms-playwright"
