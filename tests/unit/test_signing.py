"""The keys that sign seals: made once, kept private, replaced, and all of them verifying."""

from __future__ import annotations

import datetime
import json
import stat
import threading
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from pytest_django import Settings

from ledger import signing

STATEMENT = signing.Statement(
    site_code="HILL",
    z_number=7,
    fiscal_day=datetime.date(2026, 11, 22),
    seal=bytes(range(32)),
    trail_number=12,
    trail_digest=b"\xff" * 32,
)


@pytest.fixture(autouse=True)
def keys(settings: Settings, tmp_path: Path) -> Path:
    settings.SEAL_KEYS = tmp_path / "made" / "keys"
    return settings.SEAL_KEYS


def test_a_key_is_made_on_first_use_for_its_owner_alone(keys: Path) -> None:
    assert (signing.newest_key(), signing.public_keys()) == ("", {})
    signed = signing.seal_sign(STATEMENT)
    assert sorted(path.suffix for path in keys.iterdir()) == [".key", ".pub"]
    assert stat.S_IMODE((keys / f"{signed.key_id}.key").stat().st_mode) == 0o600
    assert stat.S_IMODE(keys.stat().st_mode) == 0o700
    assert signing.seal_sign(STATEMENT) == signed


def test_anybody_verifies_with_the_public_key_and_the_documented_text(keys: Path) -> None:
    signed = signing.seal_sign(STATEMENT)
    line = [
        *("signed seal", 1, signed.key_id, "HILL", 7, "2026-11-22", bytes(range(32)).hex()),
        *(12, "ff" * 32),
    ]
    public = load_pem_public_key((keys / f"{signed.key_id}.pub").read_bytes())
    public.verify(signed.signature, (json.dumps(line) + "\n").encode())  # type: ignore[union-attr, call-arg, arg-type]


def test_the_newest_signs_and_the_old_ones_verify(keys: Path) -> None:
    before = signing.seal_sign(STATEMENT)
    newer = signing.key_make(is_wanted=True)
    after = signing.seal_sign(STATEMENT)
    assert after.key_id == newer > before.key_id
    # What is left of a key that was replaced.
    (keys / f"{before.key_id}.key").unlink()
    known = signing.public_keys()
    assert sorted(known) == [before.key_id, newer]
    assert signing.is_signed(STATEMENT, before, known)
    assert signing.is_signed(STATEMENT, after, known)
    assert signing.public_keys_pem()[newer] == (keys / f"{newer}.pub").read_text()


def test_another_statement_key_or_signature_is_not_signed() -> None:
    signed = signing.seal_sign(STATEMENT)
    known = signing.public_keys()
    other = signing.Signed(signed.key_id, bytes(64))
    assert not signing.is_signed(STATEMENT, other, known)
    assert not signing.is_signed(STATEMENT, signed, {})
    moved = signing.Statement(
        site_code="VALE",
        z_number=7,
        fiscal_day=STATEMENT.fiscal_day,
        seal=STATEMENT.seal,
        trail_number=12,
        trail_digest=STATEMENT.trail_digest,
    )
    assert not signing.is_signed(moved, signed, known)


def test_of_two_who_need_a_key_at_once_one_makes_it(keys: Path) -> None:
    gate, signed = threading.Barrier(4), []

    def sign() -> None:
        gate.wait()
        signed.append(signing.seal_sign(STATEMENT).key_id)

    threads = [threading.Thread(target=sign) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(signed)) == 1
    assert len(list(keys.glob("*.key"))) == 1


def test_a_private_key_that_somebody_put_there_is_enough(keys: Path) -> None:
    name = signing.key_make()
    (keys / f"{name}.key").rename(keys / "zz-our-own.key")
    (keys / f"{name}.pub").unlink()
    signed = signing.seal_sign(STATEMENT)
    assert signed.key_id == "zz-our-own"
    assert signing.is_signed(STATEMENT, signed, signing.public_keys())
    with pytest.raises(signing.SigningError, match="zz-our-own comes after"):
        signing.key_make(is_wanted=True)


@pytest.mark.parametrize("content", ["", "no key", "-----BEGIN PRIVATE KEY-----\nAAAA\n"])
def test_a_key_that_cannot_be_read_is_named(keys: Path, content: str) -> None:
    name = signing.key_make()
    (keys / f"{name}.key").write_text(content)
    with pytest.raises(signing.SigningError, match=rf"{name}\.key cannot be read"):
        signing.seal_sign(STATEMENT)
    (keys / f"{name}.pub").write_text(content)
    with pytest.raises(signing.SigningError, match=rf"{name}\.pub cannot be read"):
        signing.public_keys()


def test_a_folder_that_cannot_be_made_is_named(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    settings.SEAL_KEYS = tmp_path / "file" / "keys"
    with pytest.raises(signing.SigningError, match="no key can be made"):
        signing.seal_sign(STATEMENT)
