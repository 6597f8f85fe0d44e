"""A site keeps every seal that it was sent, and none twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ingest.simulator.seals import KeptSeals


def payload(**changes: Any) -> bytes:
    told = {
        "fiscal_day": "2026-11-20",
        "z_number": 1,
        "seal": "a" * 64,
        "previous_seal": "0" * 64,
        "perpetual_total": "143.79",
        "sealed_at": "2026-11-21T08:00:00Z",
        "key": "k",
        "signature": "b" * 128,
        "trail_number": 2,
        "trail_digest": "c" * 64,
    }
    return json.dumps(told | changes).encode()


def kept(path: Path) -> list[tuple[str, int, str]]:
    told = map(json.loads, path.read_text().splitlines())
    return [(line["site"], line["z_number"], line["seal"][0]) for line in told]


def test_the_whole_series(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "simulator.seals.jsonl"
    seals = KeptSeals(path)
    seals.keep("LON-1", payload())
    seals.keep("LON-2", payload())
    seals.keep("LON-1", payload(z_number=2, fiscal_day="2026-11-21"))
    whole = path.read_bytes()
    assert json.loads(whole.splitlines()[0]) == {
        "line": "seal", "site": "LON-1", **json.loads(payload())
    }  # fmt: skip
    # Sent again: by a broker that kept it, to a simulator that was killed as it wrote.
    path.write_bytes(whole + b'{"line": "se')
    seals = KeptSeals(path)
    seals.keep("LON-1", payload())
    assert path.read_bytes().startswith(whole)
    assert not caplog.messages
    seals.keep("LON-1", payload(seal="d" * 64))
    assert caplog.messages == ["LON-1: another seal of 2026-11-20; both are kept"]
    assert kept(path) == [
        ("LON-1", 1, "a"),
        ("LON-2", 1, "a"),
        ("LON-1", 2, "a"),
        ("LON-1", 1, "d"),
    ]


def test_what_is_no_seal_is_not_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    seals = KeptSeals(tmp_path / "a.jsonl")
    for nothing in (b"", b"{}", payload(seal="x")):
        seals.keep("LON-1", nothing)
    assert len(caplog.messages) == 3
    assert not (tmp_path / "a.jsonl").exists()
