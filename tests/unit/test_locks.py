"""The check of the lock files."""

from __future__ import annotations

import pytest

from tests.tools import locks

GOOD = r"""django==5.2.19 \
    --hash=sha256:00 \
    --hash=sha256:01
msgspec==0.22.1 \
    --hash=sha256:02
"""


def problems(lock: str, *requirements: str) -> list[str]:
    return list(locks.problems_of_lock(lock, list(requirements)))


def test_the_projects_own_locks_are_good() -> None:
    locks.main()


def test_a_good_lock() -> None:
    assert problems(GOOD, "django~=5.2.8", "msgspec~=0.22.0") == []


def test_a_marker_and_extras_change_nothing() -> None:
    lock = 'uvloop==0.23.0 ; sys_platform != "win32" \\\n    --hash=sha256:00\n'
    assert problems(lock, "uvloop~=0.23; sys_platform != 'win32'", "uvloop[dev]") == []


@pytest.mark.parametrize(
    "line",
    [
        "--index-url https://packages.example/simple",
        "--extra-index-url=x",
        "--find-links /opt/wheels",
        "-i x",
        "package @ file:///tmp/package.whl",
    ],
)
def test_an_address_is_refused(line: str) -> None:
    assert problems(f"{line}\n{GOOD}")[0].startswith("names an address")


def test_a_missing_package_is_named() -> None:
    assert problems(GOOD, "channels~=4.3") == ["lacks channels"]


def test_a_version_that_is_not_wanted_is_named() -> None:
    assert problems(GOOD, "django~=5.3.1") == [
        "pins django 5.2.19, but pyproject.toml wants django~=5.3.1"
    ]


def test_a_package_without_a_hash_is_named() -> None:
    assert problems("django==5.2.19\n", "django") == ["has no hash for django"]
