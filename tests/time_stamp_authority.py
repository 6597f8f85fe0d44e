"""A time-stamp authority (RFC 3161) of the tests, on this machine, with openssl's own answers."""

from __future__ import annotations

import contextlib
import datetime
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

_CONFIG = """
[tsa]
default_tsa = here
[here]
serial = {folder}/serial
crypto_device = builtin
signer_cert = {folder}/authority.pem
signer_key = {folder}/authority.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
accuracy = secs:1
"""


@dataclass
class Authority:
    """Where it answers and by what certificate it is trusted."""

    url: str
    certificate: str
    is_out_of_order: bool = False
    asked: list[str] = field(default_factory=list)


def _make_files(folder: Path) -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Time of the tests")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.TIME_STAMPING]), critical=True
        )
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (folder / "authority.key").write_bytes(private)
    (folder / "authority.pem").write_bytes(certificate)
    (folder / "serial").write_text("01\n")
    (folder / "authority.conf").write_text(_CONFIG.format(folder=folder))
    return certificate.decode()


@contextlib.contextmanager
def time_stamp_authority(folder: Path) -> Iterator[Authority]:
    """Run an authority that answers each request at once."""
    certificate = _make_files(folder)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            authority.asked.append(self.headers["Content-Type"])
            request = folder / "request"
            request.write_bytes(self.rfile.read(int(self.headers["Content-Length"])))
            answer = subprocess.run(
                [
                    *("openssl", "ts", "-reply", "-queryfile", request),
                    *("-config", folder / "authority.conf"),
                ],
                capture_output=True,
                check=True,
            ).stdout
            self.send_response(503 if authority.is_out_of_order else 200)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        authority = Authority(f"http://127.0.0.1:{server.server_port}/", certificate)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield authority
        finally:
            server.shutdown()
            thread.join()
