"""Fixtures that every kind of test shares: the database server and the brokers, all real."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import setup_databases, teardown_databases
from django.utils import translation

from console.embedded.postgres import embedded_database, running_postgres

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_django.plugin import DjangoDbBlocker

#: Where the real transactions and forecourts lie, unless the environment says otherwise. They are
#: not part of the project, so a checkout that stands alone does without the tests that read them.
SHARED_DATA_DEFAULT = Path(__file__).resolve().parents[2] / "shared" / "data"
_left_out = pytest.StashKey[int]()


def shared_data_folder() -> Path | None:
    """Return the folder of the real data, None where it is missing."""
    folder = Path(os.environ.get("FORECOURT_SHARED_DATA") or SHARED_DATA_DEFAULT)
    return folder if folder.is_dir() else None


def pytest_xdist_auto_num_workers() -> int:
    """Run three tests on two cores, since each waits for other processes much of its time."""
    return max(2, (os.cpu_count() or 1) * 3 // 2)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests that read the real data where it is missing and not required."""
    if shared_data_folder() is not None or os.environ.get("REQUIRE_SHARED_DATA") == "1":
        return
    left_out = [item for item in items if item.get_closest_marker("shared_data")]
    if left_out:
        items[:] = [item for item in items if item not in left_out]
        config.stash[_left_out] = len(left_out)
        config.hook.pytest_deselected(items=left_out)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say in one line what was left out."""
    if count := config.stash.get(_left_out, 0):
        terminalreporter.write_line(
            f"{count} tests left out: they read real data that is not part of this project "
            f"(set FORECOURT_SHARED_DATA to its folder)",
            yellow=True,
        )


@pytest.fixture(autouse=True)
def _no_language_left_over() -> Iterator[None]:
    """Django's client leaves the language of its last request active in the thread."""
    yield
    translation.deactivate()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of the real data; a test that asks for it carries the marker `shared_data`."""
    folder = shared_data_folder()
    if folder is None:
        pytest.fail("the real data is required and missing; set FORECOURT_SHARED_DATA")
    return folder


@pytest.fixture(scope="session")
def django_db_modify_db_settings() -> Iterator[None]:
    """Start the PostgreSQL that all tests use before pytest-django makes its database there."""
    with running_postgres(settings.VAR_DIR):
        host = embedded_database(settings.VAR_DIR)["HOST"]
        settings.DATABASES["default"]["HOST"] = host
        connection.settings_dict["HOST"] = host
        yield


@pytest.fixture(scope="session")
def django_db_setup(
    django_test_environment: None,
    django_db_blocker: DjangoDbBlocker,
    django_db_modify_db_settings: None,
) -> Iterator[None]:
    """Make the test database, also for tests that only use `committed_db`."""
    with django_db_blocker.unblock():
        config = setup_databases(verbosity=0, interactive=False)
    yield
    with django_db_blocker.unblock():
        teardown_databases(config, verbosity=0)


#: What migrations fill.
_KEPT_TABLES = {"django_migrations", "django_content_type", "auth_permission"}


@pytest.fixture
def committed_db(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Let a test commit, as a worker in its own process must see it; empty the tables after."""
    with django_db_blocker.unblock():
        yield
        empty_tables()


def empty_tables() -> None:
    """Delete what tests committed, and number rows from 1 again.

    Django's flush cannot: entry refuses TRUNCATE. As the server's superuser the tests switch the
    triggers off for their own session. Nor would TRUNCATE do: it waits for all who read, and a
    console that reads several tables may wait for it in turn.
    """
    names = connection.introspection.django_table_names(only_existing=True, include_views=False)
    tables = [name for name in names if name not in _KEPT_TABLES]
    deletions = "; ".join(f"DELETE FROM {connection.ops.quote_name(name)}" for name in tables)
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(deletions)
        cursor.execute("SET session_replication_role = DEFAULT")
        cursor.execute(
            "SELECT setval(seqrelid, seqstart, false) FROM pg_sequence "
            "JOIN pg_depend ON objid = seqrelid AND refobjid = ANY (%s::regclass[])",
            [tables],
        )
    connection.close()


@pytest.fixture
def database_url(committed_db: None) -> str:
    """The test database's address, for processes that a test starts."""
    config = connection.settings_dict
    return f"postgresql://postgres@/{config['NAME']}?host={quote(config['HOST'], safe='')}"


@dataclass(frozen=True)
class BrokerAddress:
    """Where a broker listens; `tls_url` is empty for one that does without TLS."""

    port: int
    tls_url: str = ""

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"


def free_port() -> int:
    """Return a TCP port that nobody listens on at the moment."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


@pytest.fixture(scope="session")
def embedded_broker() -> Iterator[BrokerAddress]:
    """The broker that `manage.py run` embeds."""
    from console.embedded.broker import running_broker

    port = free_port()
    with running_broker(port):
        yield BrokerAddress(port)


@pytest.fixture(scope="session")
def mosquitto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerAddress]:
    """Mosquitto, as it would run in production (without its persistence)."""
    from tests.mosquitto import Mosquitto

    broker = Mosquitto(tmp_path_factory.mktemp("mosquitto"))
    broker.start()
    yield BrokerAddress(broker.port, broker.console_url)
    broker.stop()


def wait_for_port(port: int, *, seconds: float = 10) -> None:
    """Return once something accepts connections on the port of this machine."""
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
            return
        if time.monotonic() > deadline:
            raise TimeoutError(f"nothing listens on port {port} after {seconds} s")
        time.sleep(0.02)
