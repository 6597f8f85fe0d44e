"""Hand-written SQL. Each file opens with why it exists; `NAME.reverse.sql` takes it back."""

from pathlib import Path

from django.db.migrations import RunSQL

_FOLDER = Path(__file__).parent


def run_sql(name: str) -> RunSQL:
    """Return the migration operation that runs `name.sql`, reversed by `name.reverse.sql`."""
    return RunSQL(
        (_FOLDER / f"{name}.sql").read_text(),
        reverse_sql=(_FOLDER / f"{name}.reverse.sql").read_text(),
    )
