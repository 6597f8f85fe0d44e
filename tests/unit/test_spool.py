"""A file that a thread writes and a reader follows, and the ways in which either leaves."""

from __future__ import annotations

import asyncio
import gc
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from console.spool import (
    PIECE_BYTES,
    Spool,
    SpoolCancelled,
    SpoolNoRoom,
    SpoolReader,
    SpoolTooLarge,
)

ENDED_MAX_S = 10


def make_spool(folder: Path, *, bytes_max: int = 10 * PIECE_BYTES) -> Spool:
    return Spool(folder, bytes_max=bytes_max, writing_max_s=60)


def make_reader(spool: Spool) -> tuple[SpoolReader, list[bool]]:
    closed: list[bool] = []
    return SpoolReader(spool, reading_max_s=60, on_close=closed.append), closed


async def is_closed(spool: Spool) -> bool:
    """Wait for the writer, the last who leaves."""
    async with asyncio.timeout(ENDED_MAX_S):
        await spool._done.wait()
    return spool._file.closed


async def test_a_reader_follows_the_writer(tmp_path: Path) -> None:
    spool = make_spool(tmp_path)
    reader, closed = make_reader(spool)
    go_on = threading.Event()

    def write(spool: Spool) -> None:
        spool.write(b"a" * PIECE_BYTES)
        go_on.wait(ENDED_MAX_S)
        spool.write(b"b")

    spool.start(write)
    assert await anext(reader) == b"a" * PIECE_BYTES
    go_on.set()
    assert [piece async for piece in reader] == [b"b"]
    reader.close()
    reader.close()
    assert closed == [True]
    assert await is_closed(spool)


async def test_the_writer_does_not_wait_for_the_reader(tmp_path: Path) -> None:
    spool = make_spool(tmp_path)
    reader, _ = make_reader(spool)

    def write(spool: Spool) -> None:
        for _ in range(9):
            spool.write(b"a" * PIECE_BYTES)

    spool.start(write)
    await spool.ended()
    assert spool.size == 9 * PIECE_BYTES
    assert b"".join([piece async for piece in reader]) == b"a" * 9 * PIECE_BYTES
    reader.close()


async def test_a_reader_who_leaves_ends_the_writing_and_the_query_behind_it(tmp_path: Path) -> None:
    spool = make_spool(tmp_path)
    reader, closed = make_reader(spool)
    is_asking, is_cancelled = threading.Event(), threading.Event()

    def write(spool: Spool) -> None:
        with spool.cancelling(is_cancelled.set):
            is_asking.set()
            assert is_cancelled.wait(ENDED_MAX_S)
        spool.write(b"more")

    spool.start(write)
    await asyncio.to_thread(is_asking.wait, ENDED_MAX_S)
    reader.close()
    with pytest.raises(SpoolCancelled):
        await spool.ended()
    assert closed == [False]
    assert await is_closed(spool)


async def test_a_reader_is_closed_while_the_next_piece_is_being_waited_for(tmp_path: Path) -> None:
    spool = make_spool(tmp_path)
    reader, closed = make_reader(spool)
    is_over = threading.Event()

    def write(spool: Spool) -> None:
        is_over.wait(ENDED_MAX_S)

    spool.start(write)
    following = asyncio.ensure_future(reader.__anext__())
    await asyncio.sleep(0)
    following.cancel()
    reader.close()
    is_over.set()
    assert await is_closed(spool)
    assert closed == [False]


async def test_a_reader_whom_nobody_holds_leaves(tmp_path: Path) -> None:
    spool = make_spool(tmp_path)
    reader, closed = make_reader(spool)
    spool.start(lambda spool: None)
    del reader
    gc.collect()
    assert closed == [False]
    assert await is_closed(spool)


async def test_one_leaves_the_disk_the_room_that_others_need(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = [3 * PIECE_BYTES]
    monkeypatch.setattr(
        "shutil.disk_usage", lambda folder: SimpleNamespace(free=free[0] - spool_size())
    )
    spools: list[Spool] = []

    def spool_size() -> int:
        return sum(spool.size for spool in spools)

    def make() -> Spool:
        return Spool(
            tmp_path, bytes_max=9 * PIECE_BYTES, writing_max_s=60, bytes_left_min=2 * PIECE_BYTES
        )

    spools.append(make())
    reader, closed = make_reader(spools[0])

    def write(spool: Spool) -> None:
        spool.write(b"a" * PIECE_BYTES)
        spool.write(b"b" * PIECE_BYTES)

    spools[0].start(write)
    with pytest.raises(SpoolNoRoom):
        await spools[0].ended()
    assert spools[0].size == PIECE_BYTES
    reader.close()
    assert closed == [False]
    free[0] = PIECE_BYTES
    with pytest.raises(SpoolNoRoom):
        make()


async def test_one_that_fills_the_disk_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = Path("/dev/full").open("wb", buffering=0)  # noqa: ASYNC230, SIM115
    monkeypatch.setattr("tempfile.TemporaryFile", lambda **options: full)
    spool = make_spool(tmp_path)
    spool.start(lambda spool: spool.write(b"a"))
    with pytest.raises(SpoolNoRoom):
        await spool.ended()
    spool.release()


@pytest.mark.parametrize("fault", [SpoolTooLarge, ValueError])
async def test_what_ends_the_writing_early_ends_the_reading(
    tmp_path: Path, fault: type[Exception]
) -> None:
    spool = make_spool(tmp_path, bytes_max=PIECE_BYTES)
    reader, closed = make_reader(spool)

    def write(spool: Spool) -> None:
        spool.write(b"a" * PIECE_BYTES)
        if fault is ValueError:
            raise ValueError
        spool.write(b"b")

    spool.start(write)
    assert await anext(reader) == b"a" * PIECE_BYTES
    with pytest.raises(fault):
        await anext(reader)
    assert closed == [False]
    assert await is_closed(spool)
