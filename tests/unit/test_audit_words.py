"""Every action that the code can record has words, and only those have."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from django.utils.translation import override

from ledger.selectors.audit import ACTION_NAMES

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("ledger", "ingest", "console")
#: The thing, a dot, and what was done to it.
CODE = re.compile(r"[a-z]+\.[a-z_]+\Z")
WORDS = ROOT / "ledger" / "selectors" / "audit.py"


def sources(ending: str) -> Iterator[Path]:
    for folder in FOLDERS:
        yield from (ROOT / folder).rglob(f"*.{ending}")


def records(tree: ast.AST) -> Iterator[ast.keyword]:
    """Yield the `action` of each call that makes an event."""
    for node in ast.walk(tree):
        is_call = isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        if is_call and node.func.id in {"audit_record", "audit_event"}:  # type: ignore[attr-defined]
            yield from (one for one in node.keywords if one.arg == "action")  # type: ignore[attr-defined]


def recorded() -> set[str]:
    found: set[str] = set()
    for path in sources("py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        actions = list(records(tree))
        # One that is put together could be any.
        assert not [one for one in actions if isinstance(one.value, ast.JoinedStr)], path
        if actions:
            constants = (n.value for n in ast.walk(tree) if isinstance(n, ast.Constant))
            found |= {each for each in constants if isinstance(each, str) and CODE.match(each)}
    for path in sources("sql"):
        text = path.read_text(encoding="utf-8")
        if "INSERT INTO audit_event" in text:
            found |= set(re.findall(r"'([a-z]+\.[a-z_]+)'", text))
    return found


def test_each_action_has_words() -> None:
    found = recorded()
    assert len(found) > 20
    assert found == ACTION_NAMES.keys()


def test_in_each_language() -> None:
    with override("en"):
        english = {code: str(name) for code, name in ACTION_NAMES.items()}
    with override("de"):
        german = {code: str(name) for code, name in ACTION_NAMES.items()}
    assert not [code for code in english if english[code] == german[code]]
    assert not [code for code, name in english.items() if name == code]
