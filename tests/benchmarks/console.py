"""The web process as production runs it, and people who are signed in.

    python -m tests.benchmarks.console SITES SESSIONS

registers so many demo sites and prints, as one line of JSON, the keys of so many sessions of
people who see all sites, and of people who manage a few.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import psutil
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX

from console.models import Role, SiteAssignment, User
from ledger.demo_sites import demo_sites
from ledger.services.sites import sites_register

ROOT = Path(__file__).resolve().parents[2]
#: How many sites a manager looks after here.
SITES_PER_MANAGER = 5
START_SECONDS_MAX = 30


@dataclass(frozen=True)
class Sessions:
    """Keys of sessions: of people who see all sites, and of managers of the first few."""

    network: list[str]
    managers: list[str]
    sites: list[str]


def environment(var_dir: Path) -> dict[str, str]:
    """Return what makes a process of the project one of production, on the data in a folder."""
    return os.environ | {
        "VAR_DIR": str(var_dir),
        "DJANGO_SETTINGS_MODULE": "console.settings",
        "DEBUG": "0",
        "SECRET_KEY": "for measurements only, of nothing that anybody else can reach",
        "ALLOWED_HOSTS": "127.0.0.1",
        "LOG_LEVEL": "INFO",
        # A few people watch in the name of thousands.
        "STREAMS_PER_PERSON_MAX": "10000",
    }


def make_sessions(var_dir: Path, *, sites: int, sessions: int) -> Sessions:
    """Register sites and sign people in, in the database of a folder."""
    made = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.console", str(sites), str(sessions)],
        cwd=ROOT,
        env=environment(var_dir),
        stdout=subprocess.PIPE,
        check=True,
    )
    return Sessions(**json.loads(made.stdout.splitlines()[-1]))


@dataclass(frozen=True)
class WebProcess:
    """The server and where it listens."""

    process: psutil.Process
    port: int
    log: Path


@contextlib.contextmanager
def running_web(var_dir: Path) -> Iterator[WebProcess]:
    """Serve the console as `manage.py run` does with DEBUG off, while the context is open."""
    subprocess.run(
        [sys.executable, "manage.py", "collectstatic", "--no-input", "--verbosity=0"],
        cwd=ROOT,
        env=environment(var_dir),
        check=True,
    )
    log = var_dir / "web.log"
    with socket.create_server(("127.0.0.1", 0), backlog=2048) as listening, log.open("w") as output:
        port = listening.getsockname()[1]
        with subprocess.Popen(
            [sys.executable, "-m", "console.embedded.web", str(listening.fileno())],
            cwd=ROOT,
            env=environment(var_dir),
            pass_fds=[listening.fileno()],
            stderr=output,
        ) as process:
            try:
                health = f"http://127.0.0.1:{port}/health/"
                with urllib.request.urlopen(health, timeout=START_SECONDS_MAX):
                    yield WebProcess(psutil.Process(process.pid), port, log)
            finally:
                process.terminate()


def _person(username: str, role: Role) -> User:
    person, _ = User.objects.get_or_create(
        username=username, defaults={"role": role, "password": UNUSABLE_PASSWORD_PREFIX}
    )
    return person


def _session(person: User) -> str:
    """Sign a person in without a request, as `django.contrib.auth.login` would."""
    session = import_module(settings.SESSION_ENGINE).SessionStore()
    session[SESSION_KEY] = str(person.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = person.get_session_auth_hash()
    session.save()
    return str(session.session_key)


def main(site_count: int, session_count: int) -> None:
    """Make what is missing, and print the sessions."""
    specs = [site.spec for site in demo_sites(site_count)]
    sites = [registration.site for registration in sites_register(specs=specs)]
    staff = [_person(f"bench-staff-{number}", Role.STAFF) for number in range(10)]
    managers = [_person(f"bench-manager-{number}", Role.MANAGER) for number in range(10)]
    SiteAssignment.objects.bulk_create(
        [
            SiteAssignment(user=manager, site=site)
            for manager in managers
            for site in sites[:SITES_PER_MANAGER]
        ],
        ignore_conflicts=True,
    )
    half = session_count // 2
    made = Sessions(
        network=[_session(staff[number % 10]) for number in range(session_count - half)],
        managers=[_session(managers[number % 10]) for number in range(half)],
        sites=[site.code for site in sites],
    )
    print(json.dumps(made.__dict__))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
