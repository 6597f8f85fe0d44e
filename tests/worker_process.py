"""A `manage.py ingest` in a process of its own, as a service manager would run it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
#: Longer than a worker may take to stop, whatever is away.
STOP_SECONDS_MAX = 20


@dataclass
class WorkerProcess:
    """A worker that runs, or has run."""

    process: subprocess.Popen[str]
    log: Path

    @classmethod
    def start(
        cls, *arguments: str, log: Path, database_url: str, mqtt_url: str, env: Sequence[str] = ()
    ) -> WorkerProcess:
        """Start a worker; `arguments` are those of the command, `env` further NAME=VALUE."""
        environment = os.environ | {
            "DATABASE_URL": database_url,
            "MQTT_URL": mqtt_url,
            "DJANGO_SETTINGS_MODULE": "console.settings",
        }
        environment |= dict(setting.split("=", 1) for setting in env)
        with log.open("w") as sink:
            process = subprocess.Popen(
                [sys.executable, str(ROOT / "manage.py"), "ingest", *arguments],
                env=environment,
                stdout=sink,
                stderr=subprocess.STDOUT,
                text=True,
            )
        return cls(process, log)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to stop, and return its exit code."""
        self.process.send_signal(number)
        return self.process.wait(STOP_SECONDS_MAX)

    def kill(self) -> int:
        """End it as a crash or a power cut does. Returns its exit code, -9."""
        self.process.kill()
        return self.process.wait()

    def end(self) -> None:
        """Leave nothing running, however the test went."""
        if self.process.poll() is None:
            self.kill()

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self.process.poll() is None

    @property
    def last_line(self) -> str:
        """The last line of its log."""
        return (self.log.read_text().strip().splitlines() or [""])[-1]
