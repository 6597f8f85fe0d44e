"""An authority and a broker's certificate for 127.0.0.1, of no use outside the tests.

They are checked in, so that the tests need no program to make them, and hold for a hundred years.

    python -m tests.certificates

makes them anew with `openssl`.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

FOLDER = Path(__file__).parent
AUTHORITY = FOLDER / "authority.pem"
OTHER_AUTHORITY = FOLDER / "other_authority.pem"
SERVER = FOLDER / "server.pem"
SERVER_KEY = FOLDER / "server.key"
_DAYS = "36500"
_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def make() -> None:
    """Make them all anew."""
    key = FOLDER / "authority.key"
    for certificate, name in ((OTHER_AUTHORITY, "other authority"), (AUTHORITY, "authority")):
        _openssl(
            *("req", "-x509", *_KEY, "-keyout", key, "-out", certificate, "-days", _DAYS),
            *("-subj", f"/CN=Forecourt tests: {name}"),
            *("-addext", "keyUsage=critical,keyCertSign,cRLSign"),
        )
    _openssl(
        *("req", "-x509", *_KEY, "-keyout", SERVER_KEY, "-out", SERVER, "-days", _DAYS),
        *("-CA", AUTHORITY, "-CAkey", key, "-subj", "/CN=Forecourt tests: broker"),
        *("-addext", "subjectAltName=IP:127.0.0.1"),
        *("-addext", "basicConstraints=critical,CA:FALSE"),
    )
    key.unlink()  # nobody shall sign anything else with it


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)
