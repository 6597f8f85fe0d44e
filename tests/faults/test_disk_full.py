"""The disk is full for a while: PostgreSQL refuses what the worker stores, and takes it later."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from tests.faults.conftest import Rig
from tests.faults.servers import Postgres
from tests.faults.traffic import FISCAL_DAYS

#: Few enough for the table to grow by single pages, which is what the device can refuse.
ENTRIES = 400
#: Changes nothing, but every process of the server opens the table's file anew.
_OPEN_ANEW = "ALTER TABLE {} SET (fillfactor = 100)"
#: A device that the kernel says is full, for everybody who writes to it.
FULL = "/dev/full"
_PARTITION = f"entry_{FISCAL_DAYS[0][:7].replace('-', '_')}"


@contextlib.contextmanager
def full_disk(postgres: Postgres, table: str) -> Iterator[None]:
    """Leave no space for an empty table, as a full disk does: each write of it is ENOSPC.

    A small file system of its own would want the right to mount. So the table's empty file makes
    room for the device.
    """
    with postgres.connect() as connection:
        # Nothing of the file waits to be written or synchronised while it is another.
        connection.execute("CHECKPOINT")
        cursor = connection.execute("SELECT pg_relation_filepath(%s)", [table])
        path = postgres.data_dir / cursor.fetchone()[0]  # type: ignore[index]
        aside = path.with_name(f"{path.name}.aside")
        assert path.stat().st_size == 0, f"{table} has to be empty"
        path.rename(aside)
        path.symlink_to(FULL)
        try:
            connection.execute(_OPEN_ANEW.format(table))  # type: ignore[arg-type]
            yield
        finally:
            path.unlink()
            aside.rename(path)
            connection.execute(_OPEN_ANEW.format(table))  # type: ignore[arg-type]


async def test_the_disk_is_full_for_a_while(rig: Rig) -> None:
    worker = rig.start_worker()
    await rig.until("SELECT count(*) > 0 FROM pulse", True)
    with full_disk(rig.postgres, _PARTITION):
        await rig.publish(ENTRIES)
        await rig.until_said(worker, "No space left on device", times=3)
        # Nothing of a batch is there while a part of it cannot be.
        assert rig.stored() == 0
        assert rig.value("SELECT count(*) FROM entry") == 0
    await rig.finish(worker)
