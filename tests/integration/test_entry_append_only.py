"""The database itself keeps entries from being changed, whoever asks."""

import pytest
from django.db import IntegrityError, connection, transaction

from tests.factories import make_entry, make_site

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE entry SET amount = 0",
        "DELETE FROM entry",
        "TRUNCATE entry",
        "UPDATE entry_2026_11 SET amount = 0",
        "DELETE FROM entry_2026_11",
        "TRUNCATE entry_2026_11",
        "TRUNCATE entry_default",
    ],
)
def test_it_refuses(statement: str) -> None:
    site = make_site()
    make_entry(site, fiscal_day="2026-11-22", sequence=1)
    with (
        pytest.raises(IntegrityError, match=r"entry is append-only: [A-Z]+ is refused"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM entry")
        assert cursor.fetchone() == (1,)


def test_the_key_is_the_only_index() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT pg_get_indexdef(i.indexrelid) FROM pg_index i "
            "JOIN pg_partition_tree('entry') t ON i.indrelid = t.relid"
        )
        definitions = [definition for (definition,) in cursor.fetchall()]
    assert definitions
    assert all(
        d.startswith("CREATE UNIQUE INDEX") and d.endswith("(site_id, fiscal_day, sequence)")
        for d in definitions
    )
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_index i JOIN pg_partition_tree('entry') t "
            "ON i.indrelid = t.relid GROUP BY i.indrelid"
        )
        assert set(cursor.fetchall()) == {(1,)}
