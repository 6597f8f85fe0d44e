"""Which browser the tests drive."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import browser_path
from tests.tools import install


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without a browser; its programs are in `bin`, Playwright's in `playwright`."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path / "playwright"))
    monkeypatch.delenv("FORECOURT_CHROMIUM", raising=False)
    monkeypatch.setattr(browser_path, "REMEMBERED", tmp_path / "remembered")
    monkeypatch.setattr(install, "REMEMBERED", tmp_path / "remembered")
    return tmp_path


def program(path: Path, *, shows_pages: bool = True) -> Path:
    """Put a browser there, or a signpost that only looks like one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\necho " + ("'<p>ready'" if shows_pages else "'install the snap'"))
    path.chmod(0o755)
    return path


def test_a_machine_without_one_says_what_to_do(machine: Path) -> None:
    with pytest.raises(browser_path.NoBrowserError, match="`make test` installs it"):
        browser_path.chromium_path()


def test_the_newest_of_playwrights_own_comes_before_the_systems(machine: Path) -> None:
    program(machine / "bin" / "chromium")
    for revision in ("1200", "1255"):
        folder = machine / "playwright" / f"chromium_headless_shell-{revision}" / "linux64"
        newest = program(folder / "chrome-headless-shell")
    assert browser_path.chromium_path() == newest


def test_a_variable_chooses(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(machine / "bin" / "chromium")
    monkeypatch.setenv("FORECOURT_CHROMIUM", "/elsewhere/chrome")
    assert browser_path.chromium_path() == Path("/elsewhere/chrome")


def test_the_first_that_shows_a_page_is_remembered(machine: Path) -> None:
    program(machine / "bin" / "chromium", shows_pages=False)
    real = program(machine / "bin" / "google-chrome")
    assert install.ensure_browser() == real
    assert browser_path.chromium_path() == real


def test_a_remembered_one_that_is_gone_is_forgotten(machine: Path) -> None:
    gone = program(machine / "bin" / "google-chrome")
    install.ensure_browser()
    gone.unlink()
    other = program(machine / "bin" / "chromium")
    assert browser_path.chromium_path() == other


def test_without_a_package_manager_it_is_said_what_to_install(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(install, "_download_playwright_browser", lambda: None)
    monkeypatch.setattr(install, "MOSQUITTO_PATH", str(machine / "bin"))
    with pytest.raises(install.MissingError, match="Please install the package `chromium`"):
        install.ensure_browser()
    with pytest.raises(install.MissingError, match="Please install the package `mosquitto`"):
        install.ensure_mosquitto()
