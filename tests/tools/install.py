"""Installs what the tests need beside Python packages: a browser, Mosquitto and Java.

    python -m tests.tools.install

What is there already is used. Else the browser is Playwright's own where it can be downloaded,
or the distribution's package; Mosquitto is the distribution's,
and so is Java, which runs the HTML checker. A component that cannot be had is
a failure, said in a sentence: no test is left out for want of it.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.browser_path import REMEMBERED, NoBrowserError, chromium_path, installed_browsers

#: `apt-get install mosquitto` puts it where a user's PATH may not look.
MOSQUITTO_PATH = os.pathsep.join(
    ["/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin", os.environ.get("PATH", os.defpath)]
)
#: A browser is 100 MB; without a network the download fails at once.
DOWNLOAD_SECONDS_MAX = 300
PACKAGE_SECONDS_MAX = 600
#: How long a browser may take to show an empty page for the first time.
FIRST_PAGE_SECONDS_MAX = 60

#: What the HTML checker needs.
JAVA_VERSION_MIN = 11

_POLICY = Path("/usr/sbin/policy-rc.d")


class MissingError(Exception):
    """A component can neither be found nor installed."""


def ensure_browser() -> Path:
    """Return a browser that runs, installed if need be."""
    if chosen := os.environ.get("FORECOURT_CHROMIUM"):
        if not runs(Path(chosen)):
            raise MissingError(f"FORECOURT_CHROMIUM names {chosen}, which does not run.")
        return Path(chosen)
    with contextlib.suppress(NoBrowserError):
        path = chromium_path()
        if REMEMBERED.is_file() and path == Path(REMEMBERED.read_text()):
            return path  # it was seen running before
    found = _first_that_runs()
    if found is None:
        _download_playwright_browser()
        found = _first_that_runs()
    if found is None:
        _install_package("chromium", "A browser")
        found = _first_that_runs()
    if found is None:
        raise MissingError(
            "A browser was installed but does not run. FORECOURT_CHROMIUM=/path/to/chromium "
            "names one that does."
        )
    REMEMBERED.parent.mkdir(parents=True, exist_ok=True)
    REMEMBERED.write_text(str(found))
    return found


def ensure_mosquitto() -> Path:
    """Return the Mosquitto broker's program, installed if need be."""
    if shutil.which("mosquitto", path=MOSQUITTO_PATH) is None:
        _install_package("mosquitto", "Mosquitto")
    found = shutil.which("mosquitto", path=MOSQUITTO_PATH)
    if found is None:
        raise MissingError("Mosquitto was installed but its program `mosquitto` is not found.")
    return Path(found)


def ensure_java() -> Path:
    """Return a Java that runs the HTML checker, installed if need be."""
    found = shutil.which("java")
    if found is None or java_version(Path(found)) < JAVA_VERSION_MIN:
        _install_package("default-jre-headless", "Java")
        found = shutil.which("java")
    if found is None or java_version(Path(found)) < JAVA_VERSION_MIN:
        raise MissingError(f"Java {JAVA_VERSION_MIN} or newer is needed for the tests.")
    return Path(found)


def java_version(java: Path) -> int:
    """Return the major version of a Java, 0 for one that does not run (macOS has a signpost)."""
    try:
        shown = subprocess.run(
            [str(java), "-version"],
            capture_output=True,
            text=True,
            timeout=FIRST_PAGE_SECONDS_MAX,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return 0
    found = re.search(r'version "(?:1\.)?(\d+)', shown.stderr)
    return int(found[1]) if found else 0


def runs(browser: Path) -> bool:
    """Try whether a browser shows a page: some lack libraries, some are mere signposts."""
    command = [str(browser), "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]
    try:
        shown = subprocess.run(
            [*command, "data:text/html,<p>ready"],
            capture_output=True,
            timeout=FIRST_PAGE_SECONDS_MAX,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return b"ready" in shown.stdout


def _first_that_runs() -> Path | None:
    return next(filter(runs, installed_browsers()), None)


def _download_playwright_browser() -> None:
    print("Downloading a browser with Playwright …", flush=True)
    with contextlib.suppress(subprocess.TimeoutExpired):
        result = subprocess.run(
            [sys.executable, "-m", "playwright", "install", "--only-shell", "chromium"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=DOWNLOAD_SECONDS_MAX,
            check=False,
        )
        if result.returncode == 0:
            return
    print("It cannot be downloaded here; looking among the system's packages.", flush=True)


def _install_package(name: str, what: str) -> None:
    """Install a Debian package. MissingError, with what a person can do, if that fails."""
    if shutil.which("apt-get") is None:
        raise MissingError(
            f"{what} is needed for the tests and this system has no apt-get. "
            f"Please install the package `{name}` with the package manager that it has."
        )
    as_root = [] if os.geteuid() == 0 else _sudo(name, what)
    print(f"Installing the package {name} …", flush=True)
    with _services_stay_off(as_root):
        for arguments in (["update", "-q"], ["install", "-q", "-y", name]):
            result = subprocess.run(
                [*as_root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", *arguments],
                stdin=None if as_root else subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=PACKAGE_SECONDS_MAX,
                check=False,
            )
    if result.returncode != 0:
        last_line = (result.stderr.strip() or result.stdout.strip()).rpartition("\n")[2]
        raise MissingError(f"{what} could not be installed: apt-get says {last_line!r}")


def _sudo(name: str, what: str) -> list[str]:
    sudo = shutil.which("sudo")
    # Without a terminal nobody can type a password.
    options = [] if sys.stdin is not None and sys.stdin.isatty() else ["-n"]
    if sudo is None or subprocess.run([sudo, *options, "true"], check=False).returncode != 0:
        raise MissingError(
            f"{what} is needed for the tests and may not be installed by this user. "
            f"Please run as root: apt-get install {name}"
        )
    return [sudo, *options]


@contextlib.contextmanager
def _services_stay_off(as_root: list[str]) -> Iterator[None]:
    """Keep a package's service from starting: Mosquitto's would take the port of `make run`."""
    policy = not _POLICY.exists()  # a container's image often brings one
    if policy:
        script = f"printf '#!/bin/sh\\nexit 101\\n' > {_POLICY} && chmod 755 {_POLICY}"
        subprocess.run([*as_root, "sh", "-c", script], check=False)
    try:
        yield
    finally:
        if policy:
            subprocess.run([*as_root, "rm", "-f", str(_POLICY)], check=False)
            if Path("/run/systemd/system").is_dir():
                command = [*as_root, "systemctl", "disable", "--quiet", "mosquitto"]
                subprocess.run(command, stderr=subprocess.DEVNULL, check=False)


def main() -> None:
    """Install all; name what the tests will use."""
    try:
        print(f"Browser: {ensure_browser()}")
        print(f"Mosquitto: {ensure_mosquitto()}")
        print(f"Java: {ensure_java()}")
    except (MissingError, subprocess.TimeoutExpired) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
