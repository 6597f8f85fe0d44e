"""A real server process on the test database, and a real browser that visits it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import paho.mqtt.client as paho
import pytest
from django.db import connection
from paho.mqtt.enums import CallbackAPIVersion
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser.controller import WAIT_S, Controller
from tests.browser_path import chromium_path
from tests.conftest import BrokerAddress, free_port, wait_for_port
from tests.factories import PASSWORD, make_forecourt
from tests.integration.conftest import Rig

if TYPE_CHECKING:
    from console.models import User
    from ledger.models import Site

ROOT = Path(__file__).resolve().parents[2]
#: A machine that runs the whole suite on two cores may be slow, a page never this slow.
EXPECT_TIMEOUT_MS = 10_000
#: Lets a test ask the console for its figures.
METRICS_TOKEN = "the-tests-may-look"
PYTHON = [sys.executable, "-W", "default"]


@pytest.fixture(scope="session")
def console_environment(
    django_db_setup: None, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """What makes a console process run as in production, static files collected."""
    config = connection.settings_dict
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "tests.browser.server_settings",
        "DATABASE_URL": f"postgresql://postgres@/{config['NAME']}?host={quote(config['HOST'], '')}",
        "DEBUG": "off",
        "SECURE_COOKIES": "off",
        "SECRET_KEY": "the-tests-protect-nothing",
        "METRICS_TOKEN": METRICS_TOKEN,
        "ALLOWED_HOSTS": "127.0.0.1",
        "VAR_DIR": str(tmp_path_factory.mktemp("console")),
    }
    subprocess.run(
        [*PYTHON, "manage.py", "collectstatic", "--noinput", "--verbosity=0"],
        cwd=ROOT,
        env=environment,
        check=True,
    )
    return environment


@contextmanager
def running_console(environment: dict[str, str], port: int) -> Iterator[str]:
    """Run a console process while the context is open; returns its address."""
    command = ["-m", "uvicorn", "console.asgi:application", f"--port={port}", "--lifespan=auto"]
    # Open streams would hold a graceful stop up, so it waits a second for them at most.
    command += ["--timeout-graceful-shutdown=1", "--log-level=warning"]
    told = environment | {"PORT": str(port)}
    with subprocess.Popen([*PYTHON, *command], cwd=ROOT, env=told) as process:
        try:
            wait_for_port(port, seconds=30)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


@pytest.fixture(scope="session")
def console_process(console_environment: dict[str, str]) -> Iterator[str]:
    """The console that most tests visit; returns its address."""
    with running_console(console_environment, free_port()) as address:
        yield address


@pytest.fixture
def console_server(committed_db: None, console_process: str) -> str:
    """The address of the running console; what the test commits is what it shows."""
    return console_process


@pytest.fixture(scope="package")
def _orm_beside_playwright() -> Iterator[None]:
    """Let tests use the ORM: Playwright keeps an event loop in their thread, though not in theirs.

    Nothing of the tests runs in that loop, so Django's guard against a blocked loop has no case.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        yield


@pytest.fixture(scope="package")
def browser(_orm_beside_playwright: None) -> Iterator[Browser]:
    """Playwright's own Chromium, else the system's."""
    path = chromium_path()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, console_server: str) -> Iterator[Page]:
    """A fresh browser window at the console's address; a script's error fails the test."""
    expect.set_options(timeout=EXPECT_TIMEOUT_MS)
    context = browser.new_context(base_url=console_server, viewport={"width": 1280, "height": 900})
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    context.close()
    assert errors == []


def sign_in(page: Page, user: User) -> None:
    """Sign in as a person would."""
    page.goto("/sign-in/")
    page.get_by_label("Username").fill(user.username)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    # Until it is loaded, scripts included, so that keys pressed from now on are heard.
    page.wait_for_url(lambda url: "/sign-in/" not in url)


@pytest.fixture
def site(committed_db: None) -> Site:
    return make_forecourt("S1", name="Harbour Road")


@pytest.fixture
def controller(embedded_broker: BrokerAddress, site: Site) -> Iterator[Controller]:
    controller = Controller(embedded_broker, site.code)
    yield controller
    controller.close()


@pytest.fixture
def start_worker(
    database_url: str,
    embedded_broker: BrokerAddress,
    controller: Controller,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> Iterator[Callable[[], None]]:
    """Return a function that starts a worker, which then stores all that was published before."""
    name = request.node.name.replace("[", "-").replace("]", "")
    # As if it had been there before: the broker keeps for it what comes until it is.
    sleeper = paho.Client(
        CallbackAPIVersion.VERSION2, client_id=f"forecourt-{name}", clean_session=False
    )
    subscribed: list[int] = []
    sleeper.on_subscribe = lambda client, userdata, mid, codes, properties: subscribed.append(mid)
    sleeper.connect("127.0.0.1", embedded_broker.port)
    sleeper.subscribe("forecourt/#", qos=1)
    deadline = time.monotonic() + WAIT_S
    while not subscribed:
        assert time.monotonic() < deadline, "the broker does not answer"
        sleeper.loop(0.1)
    sleeper.disconnect()
    rig = Rig(embedded_broker, database_url, tmp_path, name)

    def start() -> None:
        rig.start_worker()

    yield start
    for worker in rig.workers:
        if worker.process.poll() is None:
            assert worker.stop() == 0
