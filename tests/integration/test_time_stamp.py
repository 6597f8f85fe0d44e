"""The copy of the seals is stamped with the time by an authority, and the stamp is verified."""

from __future__ import annotations

import base64
import io
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from ledger.models import Site
from ledger.series_verification import series_verify
from ledger.time_stamp import stamped_text
from tests.factories import make_day, make_forecourt
from tests.sealing import sealed
from tests.time_stamp_authority import Authority, time_stamp_authority

pytestmark = pytest.mark.django_db


@pytest.fixture
def authority(tmp_path: Path, settings: Settings) -> Iterator[Authority]:
    folder = tmp_path / "authority"
    folder.mkdir()
    with time_stamp_authority(folder) as authority:
        settings.TIME_STAMP_URL, settings.TIME_STAMP_CA = authority.url, authority.certificate
        yield authority


@pytest.fixture
def site() -> Site:
    site = make_forecourt("HILL")
    sealed(make_day(site, entries=1))
    return site


def export(path: Path) -> str:
    out = io.StringIO()
    call_command("export_seals", str(path), stdout=out)
    return out.getvalue()


def faults(site: Site, path: Path) -> list[str]:
    return [str(fault) for fault in series_verify(path, sites=[site]).faults]


def test_a_head_is_stamped_once_and_anybody_verifies_it(
    site: Site, authority: Authority, tmp_path: Path, settings: Settings
) -> None:
    series = tmp_path / "seals.jsonl"
    assert "stamped with the time" in export(series)
    assert "stamped with the time" not in export(series)
    assert authority.asked == ["application/timestamp-query"]
    _, head, stamp = map(json.loads, series.read_text().splitlines())
    assert (stamp["line"], stamp["digest"]) == ("time_stamp", head["digest"])
    verdict = series_verify(series, sites=[site])
    assert (verdict.faults, verdict.heads, verdict.stamps) == ([], 2, 1)
    # With openssl alone.
    for name, content in (
        ("text", stamped_text(head)),
        ("response", base64.b64decode(stamp["response"])),
        ("authority.pem", authority.certificate.encode()),
    ):
        (tmp_path / name).write_bytes(content)
    command = "openssl ts -verify -data text -in response -CAfile authority.pem"
    subprocess.run(command.split(), cwd=tmp_path, check=True, capture_output=True)
    # Without the certificates there is nothing to verify it by.
    settings.TIME_STAMP_CA = ""
    unverified = series_verify(series, sites=[site])
    assert (unverified.faults, unverified.stamps) == ([], 0)
    [told] = unverified.notes
    assert told.startswith(f"Time-stamps of {series} that are not verified")


def test_a_stamp_of_something_else_is_named(
    site: Site, authority: Authority, tmp_path: Path
) -> None:
    series = tmp_path / "seals.jsonl"
    export(series)
    *lines, stamp = series.read_text().splitlines()
    for changes, said in (
        ({"at": "2020-01-01T00:00:00+00:00"}, "the time-stamp is not valid"),
        ({"response": "AAAA"}, "the time-stamp is not valid"),
        ({"response": "?"}, "that cannot be read"),
        ({"digest": "00" * 32}, "holds another link 3 of the audit trail"),
    ):
        altered = json.dumps(json.loads(stamp) | changes)
        series.write_text("\n".join([*lines, altered]) + "\n")
        [found] = faults(site, series)
        assert said in found


def test_what_the_authority_does_not_do_is_named_and_the_seals_are_there_all_the_same(
    site: Site, authority: Authority, tmp_path: Path, settings: Settings
) -> None:
    series = tmp_path / "seals.jsonl"
    authority.is_out_of_order = True
    with pytest.raises(CommandError, match=r"does not answer \(HTTP Error 503"):
        export(series)
    settings.TIME_STAMP_CA = "no certificate"
    authority.is_out_of_order = False
    with pytest.raises(CommandError, match="the time-stamp is not valid"):
        export(series)
    settings.TIME_STAMP_URL = "ftp://authority.example/"
    with pytest.raises(CommandError, match="no address of a time-stamp authority"):
        export(series)
    assert [json.loads(line)["line"] for line in series.read_text().splitlines()] == [
        *("seal", "trail")
    ]
    # The next run makes it good.
    settings.TIME_STAMP_URL, settings.TIME_STAMP_CA = authority.url, authority.certificate
    assert "stamped with the time" in export(series)
    assert faults(site, series) == []
