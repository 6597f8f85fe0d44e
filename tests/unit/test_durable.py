"""Transactions are durable and bounded in one place, whoever writes one."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted(
    path for folder in ("console", "ingest", "ledger") for path in (ROOT / folder).rglob("*.py")
)
HOME = ROOT / "ledger" / "services" / "transactions.py"
#: The worker's connections have limits of their own, since none of its statements is Django's.
WORKER = ROOT / "ingest" / "database.py"


def calls_of(path: Path, name: str) -> list[ast.Call]:
    return [
        node
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute | ast.Name)
        and (node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id) == name
    ]


@pytest.mark.parametrize(
    "path",
    [path for path in SOURCES if "atomic" in path.read_text()],
    ids=lambda path: path.relative_to(ROOT).as_posix(),
)
def test_each_transaction_refuses_to_be_inside_of_another(path: Path) -> None:
    for call in calls_of(path, "atomic"):
        assert [word.arg for word in call.keywords] == ["durable"], f"{path.name}:{call.lineno}"


def test_only_one_place_opens_those_that_write() -> None:
    """A selector may want a setting for its one statement, a page that nothing is stored.

    An export reads all of its tables as of one moment. What is falsified may end one site's
    verification, and that of the next goes on.
    """
    openers = {path for path in SOURCES if calls_of(path, "atomic")}
    reading = {
        ROOT / "ledger/selectors/reports.py",
        ROOT / "ledger/verification.py",
        ROOT / "console/typed.py",
        ROOT / "console/own_connection.py",
    }
    assert openers - reading == {HOME}


def test_one_place_says_how_long_a_lock_is_waited_for() -> None:
    assert {path for path in SOURCES if '"lock_timeout"' in path.read_text()
            or "'lock_timeout'" in path.read_text()} == {HOME, WORKER}  # fmt: skip


def test_one_place_locks_days() -> None:
    locking = {
        path for path in SOURCES if "FiscalDay.objects.select_for_update" in path.read_text()
    }
    assert locking == {HOME}
