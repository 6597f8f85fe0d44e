"""A Mosquitto as it would run in production, which tests may stop, kill and start again."""

from __future__ import annotations

import getpass
import shutil
import subprocess
from pathlib import Path

from tests import certificates
from tests.conftest import free_port, wait_for_port
from tests.tools.install import MOSQUITTO_PATH

#: Nothing is dropped however far a worker is behind; nothing waits for a window.
_CONFIG = """\
listener {port} 127.0.0.1
allow_anonymous true
max_inflight_messages 0
max_queued_messages 0
persistence {persistence}
persistence_location {folder}/
user {user}
listener {tls_port} 127.0.0.1
certfile {certificate}
keyfile {key}
"""


class Mosquitto:
    """The broker. With `is_persistent` it keeps sessions and queues over an orderly restart."""

    def __init__(self, folder: Path, *, is_persistent: bool = False) -> None:
        binary = shutil.which("mosquitto", path=MOSQUITTO_PATH)
        if binary is None:
            raise FileNotFoundError("mosquitto is missing; `make test` installs it")
        self._binary = binary
        self._config = folder / "mosquitto.conf"
        self.port = free_port()
        self.tls_port = free_port()
        self._config.write_text(
            _CONFIG.format(
                port=self.port,
                tls_port=self.tls_port,
                certificate=certificates.SERVER,
                key=certificates.SERVER_KEY,
                persistence=str(is_persistent).lower(),
                folder=folder,
                user=getpass.getuser(),  # as root it would become a user who cannot write here
            )
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; returns once it listens."""
        self._process = subprocess.Popen(
            [self._binary, "-c", str(self._config)], stderr=subprocess.DEVNULL
        )
        wait_for_port(self.port)
        wait_for_port(self.tls_port)

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
