"""The worker's statements. Each file opens with why it is as it is; none goes through the ORM."""

from pathlib import Path

_FOLDER = Path(__file__).parent


def load(name: str) -> str:
    """Return the statement in `NAME.sql`."""
    return (_FOLDER / f"{name}.sql").read_text()
