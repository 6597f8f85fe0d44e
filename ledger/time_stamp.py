"""Time-stamps of a series by an authority (RFC 3161): they say that it was so at that time.

A signature says who sealed, not when: who has the key can sign anew. A time-stamp authority signs
the digest of what it is sent together with the time. It is sent the SHA-256 of the text that is
signed of the series' last line of the trail, which covers all before it. Request and response stand
in the series as they were, in base64:

    {"line": "time_stamp", "number": …, "digest": …, "at": …, "key": …, "request": …, "response": …}

The first four are those of the line that was stamped. The command `openssl` makes requests and
verifies responses, so anybody can who has that, the text and the authority's certificate:

    openssl ts -verify -data text -in response -CAfile authority.pem
"""

from __future__ import annotations

import base64
import subprocess
import tempfile
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ledger.seal_series import (
    STAMP_LINE,
    head_to_stamp,
    line_of,
    lines_append,
    trail_statement,
)

#: How long the authority, and the command, may take.
ANSWER_TIMEOUT_S = 20.0
#: A response holds a signature and some certificates.
_RESPONSE_BYTES_MAX = 256 * 1024
_REQUEST_TYPE = "application/timestamp-query"


class TimeStampError(Exception):
    """There is no time-stamp, or it is none of what it is kept with. The message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """Where it answers, and the certificates to trust it by, as PEM."""

    url: str
    certificates: str


def series_stamp(path: Path, authority: Authority) -> bool:
    """Have the last line of the trail stamped; return whether it was not yet.

    TimeStampError without a valid answer, SeriesError where the series cannot be read or written.
    """
    head = head_to_stamp(path)
    if head is None:
        return False
    text = stamped_text(head)
    request = _openssl("-query", "-sha256", "-cert", "-data", text)
    response = _asked(authority.url, request)
    stamp_verify(text, response, certificates=authority.certificates)
    told = {name: head[name] for name in ("number", "digest", "at", "key")}
    for name, content in (("request", request), ("response", response)):
        told[name] = base64.b64encode(content).decode()
    lines_append(path, [line_of({"line": STAMP_LINE, **told})])
    return True


def stamped_text(told: dict[str, Any]) -> bytes:
    """Return the text whose digest a line of the trail, or its time-stamp, is about."""
    return trail_statement(
        key_id=told["key"], number=told["number"], digest=told["digest"], at=told["at"]
    )


def stamp_verify(text: bytes, response: bytes, *, certificates: str) -> None:
    """Verify that a response is of this text and that the authority signed it. TimeStampError."""
    _openssl("-verify", "-data", text, "-in", response, "-CAfile", certificates.encode())


def _asked(url: str, request: bytes) -> bytes:
    if not url.startswith(("http://", "https://")):
        raise TimeStampError(f"{url} is no address of a time-stamp authority")
    asked = urllib.request.Request(  # noqa: S310 the scheme was looked at
        url, data=request, headers={"Content-Type": _REQUEST_TYPE}
    )
    try:
        with urllib.request.urlopen(asked, timeout=ANSWER_TIMEOUT_S) as answer:  # noqa: S310
            return answer.read(_RESPONSE_BYTES_MAX)
    except (OSError, urllib.error.URLError) as error:
        raise TimeStampError(
            f"the time-stamp authority at {url} does not answer ({error})"
        ) from error


def _openssl(*arguments: str | bytes) -> bytes:
    """Run `openssl ts`; bytes among the arguments are handed over as files. Returns its output."""
    with tempfile.TemporaryDirectory() as folder:
        given = []
        for number, argument in enumerate(arguments):
            if isinstance(argument, bytes):
                file = Path(folder) / str(number)
                file.write_bytes(argument)
                given.append(str(file))
            else:
                given.append(argument)
        try:
            done = subprocess.run(
                ["openssl", "ts", *given],
                capture_output=True,
                timeout=ANSWER_TIMEOUT_S,
                check=False,
            )
        except FileNotFoundError as error:
            raise TimeStampError(
                "the command openssl, which time-stamps take, is missing"
            ) from error
        except subprocess.TimeoutExpired as error:
            raise TimeStampError("the command openssl does not end") from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines() or ["nothing"]
        raise TimeStampError(f"the time-stamp is not valid: {said[-1]}")
    return done.stdout
