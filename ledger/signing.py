"""The signatures of seals, whose keys lie outside of the database.

A seal is a digest: who may write to the database can make all of them anew. A signature cannot be
made without the private key, which lies in a folder that the database does not reach (SEAL_KEYS).
What is signed, with Ed25519 (RFC 8032), is the **statement** of a seal: one line of JSON in UTF-8,
as `json.dumps` writes it, ended by a line feed:

    ["signed seal", 1, key, site code, z_number, fiscal day, seal, trail number, trail digest]

1 is the version of this form, `key` names the key; `seal` is in lower case hexadecimal. The trail's
number and digest are those of the newest link of the audit trail (`ledger.trail`) as the day was
sealed, 0 and 64 zeros where there was none: so each signature covers all that was recorded before.
Key, trail and signature stand in `day_seal`. Anybody verifies one with the public key alone:

    openssl pkeyutl -verify -pubin -inkey KEY.pub -rawin -in statement -sigfile signature

The folder holds a private key as NAME.key and its public key as NAME.pub, both in PEM; NAME is what
seals say. The key whose name comes last signs. One is made where there is none; it is readable to
its owner alone. A key is replaced by making another one (`manage.py seal_keys --new`): the old one
may then be deleted but for its public key, which verifies the seals that it signed.
"""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import functools
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from django.conf import settings

VERSION = 1
_PRIVATE, _PUBLIC = ".key", ".pub"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")
_PRIVATE_MODE, _FOLDER_MODE = 0o600, 0o700


class SigningError(Exception):
    """No seal can be signed, or no key be read. The message says why."""


@dataclass(frozen=True, slots=True)
class Signed:
    """A signature and the name of the key that made it."""

    key_id: str
    signature: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """The facts that the signature of a seal is made over; digests are 32 bytes."""

    site_code: str
    z_number: int
    fiscal_day: datetime.date
    seal: bytes
    trail_number: int
    trail_digest: bytes

    def text(self, key_id: str) -> bytes:
        """Return the line that the key of this name signs."""
        line = [
            *("signed seal", VERSION, key_id, self.site_code, self.z_number),
            *(self.fiscal_day.isoformat(), self.seal.hex()),
            *(self.trail_number, self.trail_digest.hex()),
        ]
        return (json.dumps(line, ensure_ascii=False) + "\n").encode()


def folder() -> Path:
    """Return where the keys lie."""
    return Path(settings.SEAL_KEYS)


def public_keys() -> dict[str, bytes]:
    """Return all public keys by name, the raw 32 bytes of each. SigningError for one unreadable."""
    return {
        name: key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        for name, key in _public_keys().items()
    }


def public_keys_pem() -> dict[str, str]:
    """Return all public keys by name, in PEM. SigningError for one that cannot be read."""
    return {name: _pem(key).decode() for name, key in _public_keys().items()}


def seal_sign(statement: Statement) -> Signed:
    """Sign a seal with the newest key, which is made where there is none. SigningError if not."""
    name = _newest() or key_make()
    return Signed(name, sign(name, statement.text(name)))


def is_signed(statement: Statement, signed: Signed, keys: dict[str, bytes]) -> bool:
    """Say whether a signature is of this statement; False, too, where the key is not known."""
    return is_signature(signed, statement.text(signed.key_id), keys)


def sign(key_id: str, text: bytes) -> bytes:
    """Return the signature of a key over a text. SigningError if the key cannot be read."""
    return _private_key(key_id).sign(text)


def is_signature(signed: Signed, text: bytes, keys: dict[str, bytes]) -> bool:
    """Say whether a signature is of this text; False, too, where the key is not known."""
    raw = keys.get(signed.key_id)
    if raw is None:
        return False
    try:
        _of_raw(raw).verify(signed.signature, text)
    except InvalidSignature:
        return False
    return True


@functools.cache
def _of_raw(raw: bytes) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(raw)


def key_make(*, is_wanted: bool = False) -> str:
    """Make a key, which signs from now on, and return its name. SigningError if it cannot be.

    Unless it `is_wanted`, none is made where another process was faster.
    """
    with _locked_folder():
        if not is_wanted and (name := _newest()):
            return name
        key = Ed25519PrivateKey.generate()
        name = f"{datetime.datetime.now(datetime.UTC):%Y%m%dT%H%M%S.%fZ}"
        if (newest := _newest()) and name < newest:
            raise SigningError(f"the key {newest} comes after {name}: rename it, or set the clock")
        # The public key first: a private one without it is never there.
        _write(folder() / f"{name}{_PUBLIC}", _pem(key.public_key()), mode=0o644)
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        _write(folder() / f"{name}{_PRIVATE}", private, mode=_PRIVATE_MODE)
    return name


def newest_key() -> str:
    """Return the name of the key that signs, empty while there is none."""
    return _newest()


def _names(ending: str) -> list[str]:
    try:
        found = sorted(path.stem for path in folder().glob(f"*{ending}"))
    except OSError as error:
        raise _unreadable(folder(), error) from error
    if strange := [name for name in found if not _NAME.match(name)]:
        raise SigningError(f"{folder() / strange[0]}{ending} is no name of a key")
    return found


def _newest() -> str:
    names = _names(_PRIVATE)
    return names[-1] if names else ""


def _public_keys() -> dict[str, Ed25519PublicKey]:
    """Return the public keys; of a private one that somebody put there without it, its own."""
    public = {name: _public_key(name) for name in _names(_PUBLIC)}
    alone = set(_names(_PRIVATE)) - public.keys()
    return public | {name: _private_key(name).public_key() for name in sorted(alone)}


def _public_key(name: str) -> Ed25519PublicKey:
    path = folder() / f"{name}{_PUBLIC}"
    try:
        key = serialization.load_pem_public_key(path.read_bytes())
    except (OSError, ValueError, UnsupportedAlgorithm) as error:
        raise _unreadable(path, error) from error
    if not isinstance(key, Ed25519PublicKey):
        raise SigningError(f"{path} is no key of Ed25519")
    return key


def _private_key(name: str) -> Ed25519PrivateKey:
    path = folder() / f"{name}{_PRIVATE}"
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _unreadable(path, error) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise SigningError(f"{path} is no key of Ed25519")
    return key


def _pem(key: Ed25519PublicKey) -> bytes:
    return key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def _unreadable(path: Path, error: Exception) -> SigningError:
    return SigningError(f"{path} cannot be read ({getattr(error, 'strerror', None) or error})")


@contextlib.contextmanager
def _locked_folder() -> Iterator[None]:
    """Keep other processes from making a key; the folder is made where there is none."""
    try:
        folder().mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        descriptor = os.open(folder(), os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise SigningError(f"no key can be made in {folder()} ({error.strerror})") from error


def _write(path: Path, content: bytes, *, mode: int) -> None:
    """Write a new file, whole or not at all."""
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        os.write(descriptor, content)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    draft.rename(path)
