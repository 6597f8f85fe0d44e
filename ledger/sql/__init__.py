"""Hand-written SQL. Each file opens with why it exists; `NAME.reverse.sql` takes it back."""

import re
from functools import cache
from itertools import dropwhile
from pathlib import Path

from django.db.migrations import RunSQL

_FOLDER = Path(__file__).parent
#: A part within a function's body; others, with what Python fills in, are in no function.
_PART = re.compile(r"\{(audit_line)\}")
_FUNCTION = re.compile(
    r"^CREATE FUNCTION (?P<name>\w+)\(.*?AS \$\$(?P<content>.*?)\$\$;", re.DOTALL | re.MULTILINE
)


def statement(name: str, *parts: str) -> str:
    """Return what `name.sql` says, without its opening comment.

    `{PART}` in it stands for what `PART.sql` says: what several statements have in common.
    """
    lines = (_FOLDER / f"{name}.sql").read_text(encoding="utf-8").splitlines(keepends=True)
    return _filled("".join(dropwhile(lambda line: line.startswith("--"), lines)), parts)


def _filled(text: str, parts: tuple[str, ...]) -> str:
    for part in parts:
        text = text.replace(f"{{{part}}}", statement(part).strip())
    return text


def run_sql(name: str, *parts: str) -> RunSQL:
    """Return the migration operation that runs `name.sql`, reversed by `name.reverse.sql`.

    `parts` are as of `statement`.
    """
    return RunSQL(
        _filled((_FOLDER / f"{name}.sql").read_text(), parts),
        reverse_sql=(_FOLDER / f"{name}.reverse.sql").read_text(),
    )


@cache
def functions() -> dict[str, str]:
    """Return the functions that migrations make, by name, each with its body."""
    found: dict[str, str] = {}
    for path in sorted(_FOLDER.glob("*.sql")):
        text = _PART.sub(lambda part: statement(part[1]).strip(), path.read_text(encoding="utf-8"))
        found |= {made["name"]: made["content"] for made in _FUNCTION.finditer(text)}
    return found
