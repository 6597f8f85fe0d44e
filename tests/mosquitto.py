"""The Mosquitto of `docs/deploy/mosquitto`, which tests may stop, kill and start again.

It runs on the very files that operators copy. `_deployed` gives it ports and paths of its own: it
replaces whole lines, each of which has to be there, so what is tested cannot part from what is
published. One listener is added, without a password and without rules, for the tests that are
about something else.
"""

from __future__ import annotations

import base64
import getpass
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from tests import certificates
from tests.conftest import free_port, wait_for_port
from tests.tools.install import MOSQUITTO_PATH

DEPLOYED = Path(__file__).resolve().parents[1] / "docs" / "deploy" / "mosquitto"
INSTALLED = "/etc/mosquitto/forecourt"
CONSOLE, SITES = "console", ("LON-1", "LON-2")
PASSWORD = "of-the-tests"
_HASH_ROUNDS = 101

#: The tests' own listener, behind all that is deployed.
_BESIDE = """
listener {port} 127.0.0.1
allow_anonymous true
user {user}
"""


class Mosquitto:
    """The broker: `port` asks for nothing, `sites_port` and `console_port` are the deployed ones.

    Everybody's password is PASSWORD. With `is_persistent` it writes down what it holds, as
    deployed; else not, so that nothing but the messages is measured.
    """

    def __init__(self, folder: Path, *, is_persistent: bool = False) -> None:
        binary = shutil.which("mosquitto", path=MOSQUITTO_PATH)
        if binary is None:
            raise FileNotFoundError("mosquitto is missing; `make test` installs it")
        self._binary = binary
        self._config = folder / "mosquitto.conf"
        self.port, self.sites_port, self.console_port = free_port(), free_port(), free_port()
        for name, users in (("passwords-sites", SITES), ("passwords-console", (CONSOLE,))):
            (folder / name).write_text("".join(f"{_password_line(user)}\n" for user in users))
            (folder / name).chmod(0o600)
        for name in ("sites.acl", "console.acl"):
            (folder / name).write_text((DEPLOYED / name).read_text())
            (folder / name).chmod(0o600)
        replaced = {
            f"{what} {INSTALLED}/{name}": f"{what} {path}"
            for what, name, path in (
                ("certfile", "server.crt", certificates.SERVER),
                ("keyfile", "server.key", certificates.SERVER_KEY),
                ("password_file", "passwords-sites", folder / "passwords-sites"),
                ("password_file", "passwords-console", folder / "passwords-console"),
                ("acl_file", "sites.acl", folder / "sites.acl"),
                ("acl_file", "console.acl", folder / "console.acl"),
            )
        } | {
            "listener 8883": f"listener {self.sites_port} 127.0.0.1",
            "listener 8884": f"listener {self.console_port} 127.0.0.1",
            "persistence true": f"persistence {str(is_persistent).lower()}",
            "persistence_location /var/lib/mosquitto/": f"persistence_location {folder}/",
        }
        # As root it would become a user who cannot write here.
        beside = _BESIDE.format(port=self.port, user=getpass.getuser())
        self._config.write_text(_deployed(replaced) + beside)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def console_url(self) -> str:
        """What MQTT_URL is for a console on the deployed listener."""
        return f"mqtts://{CONSOLE}:{PASSWORD}@127.0.0.1:{self.console_port}"

    @property
    def process_id(self) -> int:
        """The running broker's process."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it; returns once it listens."""
        self._process = subprocess.Popen(
            [self._binary, "-c", str(self._config)], stderr=subprocess.DEVNULL
        )
        for port in (self.port, self.sites_port, self.console_port):
            wait_for_port(port)

    def stop(self) -> None:
        """End it in order: it writes down what it holds."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
            self._process = None

    def kill(self) -> None:
        """End it with SIGKILL: what it has not written down is gone."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._process = None


def _deployed(replaced: dict[str, str]) -> str:
    """Return the deployed configuration with some lines replaced. AssertionError if one is not."""
    lines = (DEPLOYED / "mosquitto.conf").read_text().splitlines()
    missing = replaced.keys() - set(lines)
    assert not missing, f"not in the deployed mosquitto.conf: {sorted(missing)}"
    text = "\n".join(replaced.get(line, line) for line in lines)
    assert INSTALLED not in "\n".join(line for line in text.splitlines() if line[:1] != "#")
    return text


def _password_line(user: str) -> str:
    """Return a user's line as `mosquitto_passwd` writes it."""
    salt = os.urandom(12)
    digest = hashlib.pbkdf2_hmac("sha512", PASSWORD.encode(), salt, _HASH_ROUNDS)
    salted, hashed = (base64.b64encode(part).decode() for part in (salt, digest))
    return f"{user}:$7${_HASH_ROUNDS}${salted}${hashed}"
