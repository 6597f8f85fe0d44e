"""A table of the old shape moves in: nothing lost, nothing doubled, whatever dirt it holds."""

from __future__ import annotations

import datetime
import io
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import Count, Sum

from ledger.models import Adoption, AuditEvent, DayTotal, Entry, FiscalDay, Quarantine
from tests.factories import make_forecourt
from tests.worker_process import ROOT

#: Rows of each shape of old table that are moved through two kills. Of a million in all each is
#: a third: ADOPTED_ROWS=333334 make test ARGS="-k two_kills" takes some minutes.
ROWS = int(os.environ.get("ADOPTED_ROWS", 60_000))
#: What the generated table holds of each kind of dirt: every so many-th row.
REPEATED_EVERY, CONFLICTING_EVERY, WITHOUT_AMOUNT_EVERY = 10_007, 20_011, 30_011
STRANGE_SITE_EVERY, WRONG_DAY_EVERY, NO_DAY_EVERY = 40_009, 50_021, 60_013

# As Django made it: a surrogate key, and columns that may be NULL because they were added later.
OLD_TABLE = """
    CREATE TABLE sales_entry (
        id bigserial PRIMARY KEY, station varchar(40), fiscal_day date, sequence integer,
        kind varchar(16), occurred_at timestamptz, product varchar(64), amount numeric(14, 2),
        volume numeric(14, 3), unit_price numeric(10, 4), payment varchar(16), comment text
    )
"""
GENERATED = """
    INSERT INTO sales_entry (
        station, fiscal_day, sequence, kind, occurred_at, product, amount, volume, unit_price,
        payment, comment
    )
    SELECT
        CASE WHEN n %% 40009 = 0 THEN 'CLOSED-LONG-AGO' ELSE 'OLD-' || 1 + n %% 10 END,
        CASE
            WHEN n %% 60013 = 0 THEN NULL
            WHEN n %% 50021 = 0 THEN date '1999-12-31'
            ELSE date '2026-01-01' + (n / 5000)::integer
        END,
        1 + (n %% 5000) / 10, 'sale',
        timestamptz '2026-01-01 06:00Z' + (n / 5000)::integer * interval '1 day'
            + (n %% 5000) * interval '10 seconds',
        CASE WHEN n %% 3 = 0 THEN 'B7' ELSE 'E10' END,
        CASE WHEN n %% 30011 <> 0 THEN round(1.5 * (5 + n %% 40), 2) END,
        5 + n %% 40, 1.5, 'card', 'kept by nobody'
    FROM generate_series(0, %s - 1) AS n
"""
# The unique constraint came late: some sales were written twice, some with another amount.
WRITTEN_TWICE = """
    INSERT INTO sales_entry (
        station, fiscal_day, sequence, kind, occurred_at, product, amount, volume, unit_price,
        payment
    )
    SELECT station, fiscal_day, sequence, kind, occurred_at, product, amount + %s, volume,
        unit_price, payment
    FROM sales_entry
    WHERE id %% %s = 1 AND amount IS NOT NULL AND fiscal_day IS NOT NULL
    ORDER BY id
"""


@pytest.fixture
def old_table(committed_db: None) -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute(OLD_TABLE)
    yield
    drop_old_table()


def execute(statement: str, *parameters: Any) -> int:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters or None)
        return cursor.rowcount


def generate(rows: int) -> tuple[int, int]:
    """Fill the old table. Returns how many sales were written twice, and how many with a change."""
    execute(GENERATED, rows)
    repeated = execute(WRITTEN_TWICE, 0, REPEATED_EVERY)
    conflicting = execute(WRITTEN_TWICE, Decimal("0.01"), CONFLICTING_EVERY)
    return repeated, conflicting


def add_row(**values: Any) -> int:
    """Write one row, a good one but for the given values. Returns its key."""
    row = {
        "station": "OLD-1",
        "fiscal_day": datetime.date(2026, 1, 1),
        "sequence": 1,
        "kind": "sale",
        "occurred_at": datetime.datetime(2026, 1, 1, 6, tzinfo=datetime.UTC),
        "product": "E10",
        "amount": Decimal("7.50"),
        "volume": Decimal(5),
        "unit_price": Decimal("1.5"),
    } | values
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO sales_entry ({', '.join(row)})"
            f" VALUES ({', '.join(['%s'] * len(row))}) RETURNING id",
            list(row.values()),
        )
        (key,) = cursor.fetchone()
    return int(key)


def adopt(*arguments: str) -> str:
    out = io.StringIO()
    call_command("adopt_ledger", "sales_entry", "--column", "site=station", *arguments, stdout=out)
    return out.getvalue()


def figures(said: str) -> dict[str, int]:
    """The figures of the table that the command ends with."""
    said = said[said.index("Moved into the ledger") :]
    rows = (line.strip(" │┃").split("│") for line in said.splitlines() if "│" in line)
    return {label.strip(): int(figure.replace(",", "")) for label, figure in rows}


#: The shapes of old tables: how each is made of the table above, and the columns of its key.
SHAPES = {
    "surrogate": ([], "id"),
    "uuid": (
        [
            "ALTER TABLE sales_entry RENAME id TO written",
            "ALTER TABLE sales_entry ADD id uuid NOT NULL DEFAULT gen_random_uuid()",
            "ALTER TABLE sales_entry DROP CONSTRAINT sales_entry_pkey",
            "ALTER TABLE sales_entry ADD PRIMARY KEY (id)",
        ],
        "id",
    ),
    # Three tables of three systems, each of which counted from 1.
    "view": (
        [
            "ALTER TABLE sales_entry RENAME TO sales_entries",
            "ALTER TABLE sales_entries RENAME id TO written",
            "CREATE INDEX ON sales_entries ((written % 3), ((written + 2) / 3))",
            """CREATE VIEW sales_entry AS
            SELECT written % 3 AS system, (written + 2) / 3 AS id, * FROM sales_entries""",
        ],
        "system,id",
    ),
}


def drop_old_table() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT relkind::text FROM pg_class WHERE oid = to_regclass('sales_entry')")
        is_view = cursor.fetchone() == ("v",)
    if is_view:
        execute("DROP VIEW sales_entry")
        execute("DROP TABLE sales_entries")
    else:
        execute("DROP TABLE sales_entry")


def kill_once_it_moved(rows: int, *options: str) -> Adoption:
    """Start a move in a process of its own and kill it when it went so far."""
    config = connection.settings_dict
    url = f"postgresql://postgres@/{config['NAME']}?host={config['HOST']}"
    process = subprocess.Popen(
        [sys.executable, ROOT / "manage.py", "adopt_ledger", "sales_entry", *options],
        env=os.environ | {"DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "console.settings"},
        stdout=subprocess.DEVNULL,
    )
    try:
        while Adoption.objects.filter(rows__gt=rows).count() == 0:
            assert process.poll() is None, "it ended before it could be killed"
            time.sleep(0.01)
    finally:
        process.kill()
        process.wait()
    return Adoption.objects.get()


@pytest.mark.timeout(400)
@pytest.mark.parametrize("shape", SHAPES)
def test_rows_with_the_usual_dirt_survive_two_kills(old_table: None, shape: str) -> None:
    for number in range(1, 11):
        make_forecourt(f"OLD-{number}")
    repeated, conflicting = generate(ROWS)
    statements, key = SHAPES[shape]
    for statement in statements:
        execute(statement)
    options = ("--column", "site=station", "--column", f"key={key}")
    for part in (3, 2):
        before = kill_once_it_moved(ROWS // part, *options)
        assert before.rows == before.stored + before.duplicates + before.quarantined

    said = figures(adopt("--column", f"key={key}"))

    whole = Adoption.objects.get()
    table_rows = ROWS + repeated + conflicting
    bad = (
        sum(
            len(range(0, ROWS, every))
            for every in (WITHOUT_AMOUNT_EVERY, STRANGE_SITE_EVERY, NO_DAY_EVERY)
        )
        - 2
    )  # row 0 is bad in all three ways, and waits once
    assert (whole.rows, whole.duplicates) == (table_rows, repeated)
    assert whole.quarantined == bad + conflicting == Quarantine.objects.count()
    assert whole.stored == table_rows - repeated - bad - conflicting == Entry.objects.count()
    assert said["read in this run"] == table_rows - before.rows
    assert said["in the table"] == said["verified"] == table_rows
    assert said["the ledger holds the same"] == whole.stored + repeated
    assert said["in quarantine"] == whole.quarantined
    assert said["in neither"] == said["whose count and sum do not agree"] == 0
    assert whole.verified_at is not None
    assert FiscalDay.objects.aggregate(Sum("entry_count"))["entry_count__sum"] == whole.stored
    if shape == "surrogate":
        assert_sums_of_days_are_the_old_table_s()


def assert_sums_of_days_are_the_old_table_s() -> None:
    """The first of rows that share a key is the ledger's; its order is that of the key."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT station, fiscal_day, count(*), sum(amount) FROM ("
            "  SELECT DISTINCT ON (station, fiscal_day, sequence) * FROM sales_entry"
            "  WHERE fiscal_day IS NOT NULL AND amount IS NOT NULL AND station LIKE 'OLD-%'"
            "  ORDER BY station, fiscal_day, sequence, id"
            ") AS first GROUP BY station, fiscal_day"
        )
        expected = {(code, day): sums for code, day, *sums in cursor.fetchall()}
    totals = DayTotal.objects.values_list("site__code", "fiscal_day").annotate(
        Sum("count"), Sum("amount")
    )
    assert {(code, day): sums for code, day, *sums in totals} == expected


def test_running_it_again_changes_nothing_and_takes_what_came_later(old_table: None) -> None:
    make_forecourt("OLD-1")
    add_row()
    adopt()
    assert figures(adopt())["read in this run"] == 0
    add_row(sequence=2)
    assert figures(adopt())["new entries"] == 1
    assert Entry.objects.count() == 2
    assert AuditEvent.objects.filter(action="ledger.adopted").count() == 3


@pytest.mark.parametrize(
    ("values", "reason", "said"),
    [
        ({"amount": None}, "malformed", "amount"),
        ({"product": None}, "malformed", "product"),
        ({"occurred_at": None}, "malformed", "occurred_at"),
        ({"sequence": 0}, "invalid", "sequence"),
        ({"kind": "gift"}, "invalid", "gift"),
        ({"product": "x" * 33}, "invalid", "product"),
        ({"station": "NOBODY"}, "unknown_site", "NOBODY"),
        ({"station": "two words"}, "unknown_topic", "two words"),
        ({"station": None}, "unknown_topic", ""),
        ({"amount": Decimal("99999999999.99")}, "invalid", "amount"),
    ],
)
def test_what_is_no_entry_waits_in_quarantine(
    old_table: None, values: dict[str, Any], reason: str, said: str
) -> None:
    make_forecourt("OLD-1")
    key = add_row(**values)
    counts = figures(adopt())
    row = Quarantine.objects.get()
    assert (row.reason, counts["to quarantine"], counts["in quarantine"]) == (reason, 1, 1)
    assert said in row.detail
    assert f'"adopted":"sales_entry/{key}"' in bytes(row.raw).decode().replace(" ", "")


def test_old_rows_are_taken_and_their_sites_begin_with_them(old_table: None) -> None:
    site = make_forecourt("OLD-1", first_fiscal_day=datetime.date(2025, 10, 24))
    for day in ("1970-01-01", "2012-08-23", "2026-01-01", "2099-06-01"):
        add_row(fiscal_day=day, occurred_at=f"{day}T06:00:00Z")
    said = adopt()
    assert "OLD-1 with 2012-08-23" in " ".join(said.split())
    site.refresh_from_db()
    assert site.first_fiscal_day == datetime.date(2012, 8, 23)
    days = FiscalDay.objects.values_list("fiscal_day", flat=True).order_by("fiscal_day")
    assert [str(day) for day in days] == ["2012-08-23", "2026-01-01"]
    found = Quarantine.objects.order_by("fiscal_day").values_list("reason", "fiscal_day")
    assert [(reason, str(day)) for reason, day in found] == [
        ("implausible_day", "1970-01-01"),
        ("implausible_day", "2099-06-01"),
    ]
    event = AuditEvent.objects.get(action="site.changed")
    assert event.detail == {"after": {"first_fiscal_day": "2012-08-23"}}


def test_rows_before_a_day_may_be_left_to_quarantine(old_table: None) -> None:
    site = make_forecourt("OLD-1", first_fiscal_day=datetime.date(2025, 10, 24))
    for day in ("2000-01-01", "2019-03-01"):
        add_row(fiscal_day=day, occurred_at=f"{day}T06:00:00Z")
    adopt("--first-day", "2010-01-01")
    site.refresh_from_db()
    assert site.first_fiscal_day == datetime.date(2019, 3, 1)
    assert Quarantine.objects.get().fiscal_day == datetime.date(2000, 1, 1)


def test_a_time_without_zone_is_of_the_site_s_own_clock(old_table: None) -> None:
    make_forecourt("OLD-1", timezone="Europe/Berlin")
    add_row()
    execute("SET timezone = 'UTC'")
    execute("ALTER TABLE sales_entry ALTER occurred_at TYPE timestamp")
    adopt()
    assert Entry.objects.get().occurred_at == datetime.datetime(2026, 1, 1, 5, tzinfo=datetime.UTC)


def test_a_time_without_zone_of_an_unknown_site_waits_as_it_is(old_table: None) -> None:
    add_row()
    execute("SET timezone = 'UTC'")
    execute("ALTER TABLE sales_entry ALTER occurred_at TYPE timestamp")
    adopt()
    assert b'"occurred_at":"2026-01-01T06:00:00"' in bytes(Quarantine.objects.get().raw)


def test_names_and_constants_make_up_for_other_columns(old_table: None) -> None:
    make_forecourt("OLD-1")
    add_row(payment="cash")
    execute("ALTER TABLE sales_entry RENAME id TO pk")
    execute("ALTER TABLE sales_entry DROP kind")
    adopt("--column", "key=pk", "--constant", "kind=test", "--constant", "fuelling_point=2")
    entry = Entry.objects.get()
    assert (entry.get_kind_display(), entry.fuelling_point) == ("Pump test", 2)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--column", "amount=total"], "has no column total for amount"),
        (["--column", "prize=amount"], "prize is no field"),
        (["--column", "amount"], "not NAME=VALUE"),
        (["--constant", "kind=gift"], "'gift' cannot be the kind"),
    ],
)
def test_a_table_that_does_not_say_enough_is_refused(
    old_table: None, arguments: list[str], said: str
) -> None:
    with pytest.raises(CommandError, match=said):
        adopt(*arguments)


def test_a_table_that_is_not_there_is_refused(committed_db: None) -> None:
    with pytest.raises(CommandError, match=r"sales_entry cannot be read: .*does not exist"):
        adopt()


class TestRounding:
    """Old tables have more places than the ledger: rounded by one rule, and said."""

    @pytest.fixture(autouse=True)
    def _rows(self, old_table: None) -> None:
        make_forecourt("OLD-1")
        execute("ALTER TABLE sales_entry ALTER amount TYPE numeric(20, 8)")
        execute("ALTER TABLE sales_entry ALTER volume TYPE double precision")
        add_row(sequence=1, amount=Decimal("7.50500000"), volume=5.0004)
        add_row(sequence=2, amount=Decimal("-7.50500000"), volume=5.0, kind="refund")
        add_row(sequence=3, amount=Decimal("7.50"), volume=5.0)

    def test_numbers_are_rounded_half_away_from_zero_and_it_is_said_by_how_much(self) -> None:
        said = adopt()
        lines = [" ".join(line.split()) for line in said.splitlines()]
        assert "│ amount │ 2 │ 2 │ +0 │" in lines
        assert "│ volume │ 3 │ 1 │ -0.0004 │" in lines
        assert [entry.amount for entry in Entry.objects.order_by("sequence")] == [
            Decimal("7.51"),
            Decimal("-7.51"),
            Decimal("7.50"),
        ]
        assert figures(said)["in neither"] == 0

    def test_strict_refuses_what_would_have_to_be_rounded(self) -> None:
        with pytest.raises(CommandError, match="amount, volume would have to be rounded"):
            adopt("--strict")
        assert not Adoption.objects.exists()

    def test_strict_refuses_a_row_that_is_no_entry(self) -> None:
        execute("UPDATE sales_entry SET amount = 7.5, volume = 5, kind = 'sale'")
        add_row(sequence=4, product=None)
        with pytest.raises(CommandError, match="1 of 4 rows would not become entries"):
            adopt("--strict")
        assert not Entry.objects.exists()

    def test_what_is_no_number_is_refused_with_its_reason(self) -> None:
        execute("UPDATE sales_entry SET volume = 'NaN' WHERE sequence = 2")
        adopt()
        assert "volume" in Quarantine.objects.get().detail


class TestKeys:
    """A walk along a key that repeats or is missing would lose rows: it is refused."""

    @pytest.fixture(autouse=True)
    def _rows(self, old_table: None) -> None:
        make_forecourt("OLD-1")
        for sequence in range(1, 10):
            add_row(sequence=sequence)

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ("UPDATE sales_entry SET id = NULL WHERE id % 3 = 0", r"3 rows have no id\."),
            (
                "UPDATE sales_entry SET id = 4 WHERE id BETWEEN 4 AND 7",
                r"4 rows share their id with another, such as 4\.",
            ),
            ("UPDATE sales_entry SET id = 1 + id % 2", "such as 1 and 2"),
        ],
    )
    def test_keys_that_lose_rows_are_refused_before_the_first(self, change: str, said: str) -> None:
        execute("ALTER TABLE sales_entry DROP CONSTRAINT sales_entry_pkey")
        execute("ALTER TABLE sales_entry ALTER id DROP NOT NULL")
        execute(change)
        with pytest.raises(CommandError, match=said):
            adopt()
        assert not Adoption.objects.exists()
        assert not Entry.objects.exists()

    def test_several_columns_together_tell_rows_apart(self) -> None:
        execute("ALTER TABLE sales_entry DROP CONSTRAINT sales_entry_pkey")
        execute("UPDATE sales_entry SET id = 1 + id % 2, comment = 'system ' || sequence")
        counts = figures(adopt("--column", "key=comment,id"))
        assert counts["new entries"] == counts["the ledger holds the same"] == 9

    @pytest.mark.parametrize(
        "key",
        [
            "gen_random_uuid()",
            "'a\"b/ü' || sequence",
            "sequence::numeric / 7",
            "timestamptz '2020-01-01' + sequence * interval '1 us'",
        ],
    )
    def test_a_key_may_be_of_any_type(self, key: str) -> None:
        execute(f"CREATE TABLE keyed AS SELECT {key} AS label, * FROM sales_entry")
        execute("DROP TABLE sales_entry")
        execute("ALTER TABLE keyed RENAME TO sales_entry")
        execute("UPDATE sales_entry SET amount = NULL WHERE sequence = 5")
        counts = figures(adopt("--column", "key=label"))
        assert (counts["new entries"], counts["in quarantine"], counts["in neither"]) == (8, 1, 0)
        assert figures(adopt("--column", "key=label"))["read in this run"] == 0

    def test_a_type_without_an_order_is_no_key(self) -> None:
        execute("ALTER TABLE sales_entry ADD label json DEFAULT '{}'")
        with pytest.raises(CommandError, match="label cannot be a key"):
            adopt("--column", "key=label")

    @pytest.mark.parametrize("rows", [4, 5, 8])
    def test_pieces_follow_each_other_whatever_the_key(
        self, monkeypatch: pytest.MonkeyPatch, rows: int
    ) -> None:
        monkeypatch.setattr("ingest.adoption.moving.ROWS_PER_PIECE", rows)
        monkeypatch.setattr("ingest.adoption.verifying.ROWS_PER_PIECE", rows)
        execute("ALTER TABLE sales_entry DROP CONSTRAINT sales_entry_pkey")
        execute("UPDATE sales_entry SET comment = 'x' || id % 2, id = 1 + id / 4")
        counts = figures(adopt("--column", "key=comment,id,sequence"))
        assert counts["new entries"] == counts["verified"] == 9


class TestMistakenColumns:
    """A column taken for another sends every row to quarantine; it is noticed before the first."""

    @pytest.fixture(autouse=True)
    def _rows(self, old_table: None) -> None:
        make_forecourt("OLD-1")
        execute(
            "INSERT INTO sales_entry (station, fiscal_day, sequence, kind, occurred_at, product,"
            " amount, volume, unit_price, payment)"
            " SELECT 'OLD-1', '2026-01-01', n, 'sale', '2026-01-01 06:00Z', 'E10', 7.5, 5, 1.5,"
            " 'card' FROM generate_series(1, 200) AS n"
        )

    def test_a_move_stops_before_its_first_row(self) -> None:
        with pytest.raises(CommandError, match=r"(?s)Nothing was moved\. 200 of 200.*payment"):
            adopt("--column", "product=payment", "--column", "payment=product")
        assert not Adoption.objects.exists()
        assert not Quarantine.objects.exists()
        assert figures(adopt())["new entries"] == 200

    def test_a_dry_run_says_what_would_become_of_rows_and_writes_nothing(self) -> None:
        add_row(amount=None)
        said = adopt("--dry-run", "--constant", "tank=3")
        assert not Adoption.objects.exists()
        assert not Entry.objects.exists()
        assert not FiscalDay.objects.exists()
        assert not Quarantine.objects.exists()
        lines = [" ".join(line.split()) for line in said.splitlines()]
        assert "│ site │ column station (character varying) │" in lines
        assert "│ tank │ always 3 │" in lines
        assert "│ nozzle │ not in the table │" in lines
        assert "│ (not read) │ comment │" in lines
        assert any("new entries │ 200" in line for line in lines)
        assert any(line.startswith("│ malformed │ 1 │") and "amount" in line for line in lines)

    def test_a_dry_run_of_mistaken_columns_fails(self) -> None:
        with pytest.raises(CommandError, match="would not become entries"):
            adopt("--dry-run", "--column", "kind=product")

    def test_it_goes_on_where_somebody_means_it(self) -> None:
        execute("UPDATE sales_entry SET kind = 'gift' WHERE sequence <= 100")
        with pytest.raises(CommandError, match="100 of 200 rows"):
            adopt()
        assert figures(adopt("--quarantine-max", "50"))["to quarantine"] == 100

    def test_it_stops_in_the_middle_and_may_be_started_over(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # A sample of the first and last rows does not see what the middle holds.
        monkeypatch.setattr("ingest.adoption.sample.SAMPLE_ROWS", 20)
        execute("UPDATE sales_entry SET kind = 'gift'")
        execute("UPDATE sales_entry SET station = 'OLD-2'")
        with pytest.raises(CommandError, match=r"200 of 200 rows would not.*200 unknown_site"):
            adopt("--column", "kind=product", "--constant", "payment=card")
        with pytest.raises(CommandError, match="begun with other columns: --column kind=product"):
            adopt()
        execute("UPDATE sales_entry SET kind = 'sale', station = 'OLD-1'")
        adopt("--start-over")
        assert Entry.objects.count() == 200
        assert not Quarantine.objects.filter(outcome="waiting").exists()

    def test_what_became_an_entry_cannot_be_started_over(self) -> None:
        adopt()
        with pytest.raises(CommandError, match="200 of its rows became entries"):
            adopt("--start-over")

    def test_a_share_that_is_none_is_refused(self) -> None:
        with pytest.raises(CommandError, match="not a number from 0 to 100"):
            adopt("--quarantine-max", "many")


def test_the_site_may_be_one_for_all_rows(old_table: None) -> None:
    make_forecourt("S-9")
    add_row(station=None)
    adopt("--constant", "site=S-9")
    assert Entry.objects.get().site.code == "S-9"


class TestVerifying:
    """Nothing is believed: each row is looked up where it should be."""

    @pytest.fixture(autouse=True)
    def moved(self, old_table: None) -> None:
        make_forecourt("OLD-1")
        for sequence in range(1, 6):
            add_row(sequence=sequence)
        add_row(amount=None)
        adopt()

    def tamper(self, statement: str) -> None:
        execute(f"SET session_replication_role = replica; {statement}")
        execute("SET session_replication_role = DEFAULT")

    @pytest.mark.parametrize(
        ("tampering", "said"),
        [
            ("DELETE FROM entry WHERE sequence = 3", "1 rows are neither.*: 3"),
            ("UPDATE entry SET amount = 1 WHERE sequence = 4", "1 rows are neither.*: 4"),
            ("DELETE FROM quarantine", "1 rows are neither.*: 6"),
            ("UPDATE day_total SET count = count + 1", "1 days do not agree: OLD-1 2026-01-01"),
            # Behind the walk's back: the table as a whole says otherwise.
            (
                """ALTER TABLE sales_entry DROP CONSTRAINT sales_entry_pkey;
                INSERT INTO sales_entry SELECT * FROM sales_entry WHERE id = 6""",
                "the table has 7 rows and 6 were read",
            ),
            (
                """ALTER TABLE sales_entry DROP CONSTRAINT sales_entry_pkey;
                ALTER TABLE sales_entry ALTER id DROP NOT NULL;
                INSERT INTO sales_entry (id, amount) VALUES (NULL, 3)""",
                r"has 7 rows and 6 were read one by one, with sums of 40\.50 and 37\.50",
            ),
        ],
    )
    def test_it_finds_what_is_missing(self, tampering: str, said: str) -> None:
        self.tamper(tampering)
        with pytest.raises(CommandError, match=said):
            adopt("--verify")

    def test_it_moves_nothing(self) -> None:
        add_row(sequence=6)
        counts = figures(adopt("--verify"))
        assert counts["verified"] == 6
        assert Entry.objects.aggregate(Count("sequence"))["sequence__count"] == 5
