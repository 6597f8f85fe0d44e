"""Checks the lock files: they name no package index and agree with pyproject.toml.

python -m tests.tools.locks
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
_PINNED = re.compile(r"(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;]+)")
_ADDRESS = re.compile(r"://|^\s*(--(extra-)?index-url|--find-links|-i|-f)\b", re.MULTILINE)


def problems_of_lock(lock: str, requirements: list[str]) -> Iterator[str]:
    """Yield what is wrong with a lock file's text, given what must be pinned in it."""
    if _ADDRESS.search(lock):
        yield "names an address; a lock names packages and hashes only"
    blocks = [block for block in re.split(r"\n(?=\S)", lock.strip()) if block]
    pinned = {}
    for block in blocks:
        match = _PINNED.match(block)
        if match is None:
            yield f"has a line that pins nothing: {block.splitlines()[0]}"
            continue
        pinned[canonicalize_name(match["name"])] = match["version"]
        if "--hash=sha256:" not in block:
            yield f"has no hash for {match['name']}"
    for text in requirements:
        requirement = Requirement(text)
        version = pinned.get(canonicalize_name(requirement.name))
        if version is None:
            yield f"lacks {requirement.name}"
        elif not requirement.specifier.contains(version, prereleases=True):
            yield f"pins {requirement.name} {version}, but pyproject.toml wants {requirement}"


def main() -> None:
    """Check both lock files; exit with what is wrong."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    run = project["project"]["dependencies"]
    found = [
        f"{name} {problem}."
        for name, requirements in (
            ("requirements.lock", run),
            ("requirements-dev.lock", run + project["dependency-groups"]["dev"]),
        )
        for problem in problems_of_lock((ROOT / name).read_text(), requirements)
    ]
    if found:
        sys.exit("\n".join([*found, "`make lock` writes both files anew."]))


if __name__ == "__main__":
    main()
