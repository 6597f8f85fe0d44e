"""The simulated fleet on a real broker: what it publishes, keeps, sends again and leaves behind."""

from __future__ import annotations

import asyncio
import datetime
import json
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from zoneinfo import ZoneInfo

import aiomqtt
import msgspec
import pytest

from ingest import decode
from ingest.contract import DayClosed, DayOpened, Resend, ResendSince, Status, encode
from ingest.mqtt import BrokerAddress as IngestAddress
from ingest.simulator import forecourt as forecourt_module
from ingest.simulator.fleet import run_fleet
from ingest.simulator.forecourt import WITHOUT_FAULTS, Behaviour, fiscal_day_at
from ingest.simulator.journal import Journal, JournalError
from ingest.simulator.site import Plan, real_now
from ledger.demo_sites import DemoSite, demo_sites
from tests.conftest import BrokerAddress, free_port

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 30
_numbers = iter(range(1, 1000))


@dataclass
class Heard:
    """All that was published for the sites of a test."""

    entries: dict[tuple[str, datetime.date, int], set[bytes]] = field(default_factory=dict)
    arrays: int = 0
    opened: list[tuple[str, DayOpened]] = field(default_factory=list)
    closed: list[tuple[str, DayClosed]] = field(default_factory=list)
    statuses: list[tuple[str, bool]] = field(default_factory=list)
    pumps: list[str] = field(default_factory=list)
    tanks: list[str] = field(default_factory=list)

    def take(self, topic: str, payload: bytes) -> None:
        _, _, site, lane, *_ = topic.split("/")
        if lane == "ledger":
            is_array = decode.is_array(payload)
            self.arrays += is_array
            items = decode.items_of(payload) if is_array else [payload]
            for raw in items:
                entry = decode.decode_entry(raw)
                self.entries.setdefault((site, entry.fiscal_day, entry.sequence), set()).add(raw)
        elif lane == "day":
            day = decode.decode_day(payload)
            if isinstance(day, DayOpened):
                self.opened.append((site, day))
            else:
                self.closed.append((site, day))
        elif lane == "status":
            self.statuses.append((site, msgspec.json.decode(payload, type=Status).online))
        elif lane == "pumps":
            decode.decode_pump(payload)
            self.pumps.append(topic)
        elif lane == "tanks":
            decode.decode_tank(payload)
            self.tanks.append(topic)

    def sequences(self, site: str, fiscal_day: datetime.date) -> list[int]:
        return sorted(n for code, day, n in self.entries if (code, day) == (site, fiscal_day))


class Listener:
    """A plain subscriber."""

    def __init__(self, client: aiomqtt.Client) -> None:
        self.client = client
        self.heard = Heard()

    async def until(self, condition: Callable[[Heard], bool]) -> Heard:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not condition(self.heard):
                message = await anext(self.client.messages)
                self.heard.take(str(message.topic), message.payload)
        return self.heard

    async def resend(self, site: str, day: datetime.date, *ranges: tuple[int, int]) -> None:
        payload = encode(Resend(fiscal_day=day, ranges=list(ranges)))
        await self.client.publish(f"forecourt/v1/{site}/commands", payload, qos=1)


@asynccontextmanager
async def listening(broker: BrokerAddress, sites: tuple[DemoSite, ...]) -> AsyncIterator[Listener]:
    async with aiomqtt.Client("127.0.0.1", broker.port) as client:
        lanes = ("ledger", "day", "status", "pumps/+", "tanks/+", "alarms", "deliveries")
        await client.subscribe(
            [(f"forecourt/v1/{site.spec.code}/{lane}", 1) for site in sites for lane in lanes]
        )
        yield Listener(client)


@pytest.fixture
def sites() -> tuple[DemoSite, ...]:
    """Two demo sites whose day began six hours ago and is evenly busy, whenever the test runs.

    Their names are used by no other test, for the broker outlives the tests.
    """
    return tuple(
        replace(
            site,
            spec=replace(site.spec, code=f"SIM-{next(_numbers)}"),
            cut_over=_local_time_hours_ago(site, 6),
            hour_weights=(1,) * 24,
            visits_per_day=600,
        )
        for site in demo_sites(2)
    )


def _local_time_hours_ago(site: DemoSite, hours: int) -> datetime.time:
    now = datetime.datetime.now(ZoneInfo(site.spec.timezone))
    return (now - datetime.timedelta(hours=hours)).time().replace(second=0, microsecond=0)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(tmp_path / "simulator.sqlite3")
    yield journal
    journal.close()


def plan(**values: object) -> Plan:
    defaults = {"seed": 1, "pace": 1.0, "history_days": 1, "behaviour": WITHOUT_FAULTS}
    return Plan(**defaults | values)  # type: ignore[arg-type]


@asynccontextmanager
async def playing(
    broker: BrokerAddress, sites: tuple[DemoSite, ...], journal: Journal, plan: Plan
) -> AsyncIterator[None]:
    stop = asyncio.Event()
    fleet = asyncio.create_task(
        run_fleet(
            sites, plan=plan, journal=journal, address=IngestAddress.parse(broker.url), stop=stop
        )
    )
    try:
        yield
    finally:
        stop.set()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await fleet


def yesterday(site: DemoSite) -> datetime.date:
    return fiscal_day_at(site, real_now()) - datetime.timedelta(days=1)


def is_whole(site: DemoSite) -> Callable[[Heard], bool]:
    """Yesterday is closed and all of its entries are there."""

    def check(heard: Heard) -> bool:
        code, day = site.spec.code, yesterday(site)
        last = [
            c.last_sequence for found, c in heard.closed if (found, c.fiscal_day) == (code, day)
        ]
        return bool(last) and len(heard.sequences(code, day)) >= last[0]

    return check


async def test_history_comes_as_whole_days_in_arrays(
    embedded_broker: BrokerAddress, sites: tuple[DemoSite, ...], journal: Journal
) -> None:
    async with listening(embedded_broker, sites) as listener:
        async with playing(embedded_broker, sites, journal, plan()):
            for site in sites:
                heard = await listener.until(is_whole(site))
        assert heard.arrays > 0
        for code, closed in heard.closed:
            assert heard.sequences(code, closed.fiscal_day) == list(
                range(1, closed.last_sequence + 1)
            )
        assert {code for code, _ in heard.opened} == {site.spec.code for site in sites}


async def test_it_is_online_and_live_and_says_goodbye(
    embedded_broker: BrokerAddress, sites: tuple[DemoSite, ...], journal: Journal
) -> None:
    codes = {site.spec.code for site in sites}
    points = sum(len(site.spec.fuelling_points or ()) for site in sites)
    tanks = sum(len(site.spec.tanks or ()) for site in sites)
    async with listening(embedded_broker, sites) as listener:
        async with playing(embedded_broker, sites, journal, plan(history_days=0, pace=100.0)):
            await listener.until(
                lambda heard: (
                    {(code, True) for code in codes} <= set(heard.statuses)
                    and len(set(heard.pumps)) == points
                    and len(set(heard.tanks)) == tanks
                    and len(heard.pumps) > 5 * points
                )
            )
        await listener.until(
            lambda heard: {(code, False) for code in codes} <= set(heard.statuses[-len(codes) :])
        )
    # What is retained greets whoever comes later.
    async with listening(embedded_broker, sites) as later:
        heard = await later.until(
            lambda heard: len(heard.statuses) == len(codes) and len(heard.tanks) == tanks
        )
    assert set(heard.statuses) == {(code, False) for code in codes}


async def test_it_sends_again_what_is_asked_for(
    embedded_broker: BrokerAddress, sites: tuple[DemoSite, ...], journal: Journal
) -> None:
    site = sites[0]
    code, day = site.spec.code, yesterday(site)
    async with (
        listening(embedded_broker, sites) as listener,
        playing(embedded_broker, sites, journal, plan()),
    ):
        before = dict((await listener.until(is_whole(site))).entries)
        listener.heard.entries.clear()
        await listener.client.publish(f"forecourt/v1/{code}/commands", b"not a command", qos=1)
        await listener.resend(code, day, (3, 5), (9, 9))
        heard = await listener.until(lambda heard: len(heard.sequences(code, day)) >= 4)
    assert heard.sequences(code, day) == [3, 4, 5, 9]
    for number in (3, 4, 5, 9):
        assert heard.entries[code, day, number] == before[code, day, number]


async def test_it_sends_again_all_since_a_day(
    embedded_broker: BrokerAddress, sites: tuple[DemoSite, ...], journal: Journal
) -> None:
    site = sites[0]
    code, day = site.spec.code, yesterday(site)
    async with (
        listening(embedded_broker, sites) as listener,
        playing(embedded_broker, sites, journal, plan()),
    ):
        before = (await listener.until(is_whole(site))).sequences(code, day)
        listener.heard.entries.clear()
        listener.heard.closed.clear()
        command = encode(ResendSince(since=day))
        await listener.client.publish(f"forecourt/v1/{code}/commands", command, qos=1)
        heard = await listener.until(is_whole(site))
    assert heard.sequences(code, day) == before


async def test_a_lost_entry_comes_only_when_it_is_asked_for(
    embedded_broker: BrokerAddress, sites: tuple[DemoSite, ...], journal: Journal
) -> None:
    site = sites[0]
    code, day = site.spec.code, yesterday(site)
    lossy = plan(behaviour=Behaviour(lost_share=0.05, outages_per_day=0))
    async with (
        listening(embedded_broker, sites) as listener,
        playing(embedded_broker, sites, journal, lossy),
    ):
        # The day's entries were sent before its end, in the order in which they happened.
        heard = await listener.until(
            lambda heard: any((c, d.fiscal_day) == (code, day) for c, d in heard.closed)
        )
        closed = next(d for c, d in heard.closed if (c, d.fiscal_day) == (code, day))
        missing = set(range(1, closed.last_sequence + 1)) - set(heard.sequences(code, day))
        assert missing
        await listener.resend(code, day, *((number, number) for number in missing))
        await listener.until(is_whole(site))


async def test_a_restart_goes_on_where_it_stopped(
    embedded_broker: BrokerAddress, sites: tuple[DemoSite, ...], journal: Journal
) -> None:
    site = sites[0]
    code, today = site.spec.code, fiscal_day_at(site, real_now())
    lively = plan(history_days=0, pace=150.0)
    async with listening(embedded_broker, sites) as listener:
        counts = [0]
        for _ in range(3):
            async with playing(embedded_broker, sites, journal, lively):
                await listener.until(
                    lambda heard: len(heard.sequences(code, today)) > counts[-1] + 2
                )
            counts.append(len(listener.heard.sequences(code, today)))
        # What was written and not yet acknowledged follows; then there is no gap.
        heard = listener.heard
        for items in heard.entries.values():
            assert len(items) == 1, "one number, two contents"
        sequences = heard.sequences(code, today)
        assert len(sequences) >= sequences[-1] - 5


async def test_a_killed_simulator_numbers_on_without_a_gap(
    embedded_broker: BrokerAddress, sites: tuple[DemoSite, ...], journal: Journal
) -> None:
    site = sites[0]
    code, today = site.spec.code, fiscal_day_at(site, real_now())
    lively = plan(history_days=0, pace=150.0)
    address = IngestAddress.parse(embedded_broker.url)
    async with listening(embedded_broker, sites) as listener:
        killed = asyncio.create_task(
            run_fleet(sites, plan=lively, journal=journal, address=address, stop=asyncio.Event())
        )
        await listener.until(lambda heard: len(heard.sequences(code, today)) > 5)
        killed.cancel()
        await asyncio.wait((killed,))
        reached = max(listener.heard.sequences(code, today))
        async with playing(embedded_broker, sites, journal, lively):
            heard = await listener.until(
                lambda heard: len(heard.sequences(code, today)) > reached + 3
            )
        sequences = heard.sequences(code, today)
        assert sequences == list(range(1, len(sequences) + 1))
        assert all(len(items) == 1 for items in heard.entries.values())


async def test_an_outage_leaves_the_last_will_and_is_made_good(
    embedded_broker: BrokerAddress,
    sites: tuple[DemoSite, ...],
    journal: Journal,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(forecourt_module, "TROUBLE_MS_MIN", 400)
    site = sites[0]
    code, today = site.spec.code, fiscal_day_at(site, real_now())
    troubled = plan(
        history_days=0,
        pace=150.0,
        behaviour=Behaviour(lost_share=0, outages_per_day=86_400 / 150, point_faults_per_day=0),
    )
    monkeypatch.setattr(forecourt_module, "OUTAGE", (400, 800))
    async with (
        listening(embedded_broker, sites) as listener,
        playing(embedded_broker, sites, journal, troubled),
    ):

        def came_back(heard: Heard) -> bool:
            mine = [online for found, online in heard.statuses if found == code]
            return mine[-3:] in ([True, False, True],)

        await listener.until(came_back)
        reached = max(listener.heard.sequences(code, today), default=0)
        heard = await listener.until(lambda heard: len(heard.sequences(code, today)) > reached + 2)
    sequences = heard.sequences(code, today)
    assert sequences == list(range(1, len(sequences) + 1))


async def test_many_sites_share_connections(
    embedded_broker: BrokerAddress,
    sites: tuple[DemoSite, ...],
    journal: Journal,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ingest.simulator.fleet.CONNECTIONS_MAX", 1)
    async with (
        listening(embedded_broker, sites) as listener,
        playing(embedded_broker, sites, journal, plan()),
    ):
        await listener.until(lambda heard: all(is_whole(site)(heard) for site in sites))
        for site in sites:
            listener.heard.entries.clear()
            await listener.resend(site.spec.code, yesterday(site), (1, 2))
            await listener.until(
                lambda heard, site=site: heard.sequences(site.spec.code, yesterday(site)) == [1, 2]
            )


async def test_each_site_keeps_the_seals_that_it_is_sent(
    embedded_broker: BrokerAddress, sites: tuple[DemoSite, ...], journal: Journal
) -> None:
    told = {
        "fiscal_day": "2026-11-20", "z_number": 1, "seal": "a" * 64, "previous_seal": "0" * 64,
        "perpetual_total": "1.00", "sealed_at": "2026-11-21T08:00:00Z",
    }  # fmt: skip
    codes = [site.spec.code for site in sites]
    async with aiomqtt.Client("127.0.0.1", embedded_broker.port) as client:
        for code in codes:
            topic = f"forecourt/v1/{code}/seals"
            await client.publish(topic, json.dumps(told), qos=1, retain=True)
        async with (
            playing(embedded_broker, sites, journal, plan(history_days=0)),
            asyncio.timeout(PATIENCE_SECONDS),
        ):
            while _kept(journal) != [(code, 1) for code in sorted(codes)]:  # noqa: ASYNC110 a file
                await asyncio.sleep(0.05)
            told |= {"fiscal_day": "2026-11-21", "z_number": 2}
            await client.publish(topic, json.dumps(told), qos=1, retain=True)
            while (codes[-1], 2) not in _kept(journal):  # noqa: ASYNC110 tells nobody
                await asyncio.sleep(0.05)


def _kept(journal: Journal) -> list[tuple[str, int]]:
    path = journal.seals_path
    lines = path.read_text().splitlines() if path.exists() else []
    return sorted((line["site"], line["z_number"]) for line in map(json.loads, lines))


async def test_another_seed_is_refused(
    embedded_broker: BrokerAddress, sites: tuple[DemoSite, ...], journal: Journal
) -> None:
    async with playing(embedded_broker, sites, journal, plan(history_days=0)):
        pass
    with pytest.raises(JournalError, match="was begun with seed 1, not 2"):
        async with playing(embedded_broker, sites, journal, plan(seed=2)):
            pass


async def simulate(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "manage.py", "simulate", *arguments,
        cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_the_command_stops_gracefully(
    embedded_broker: BrokerAddress, tmp_path: Path, number: signal.Signals
) -> None:
    sites = demo_sites(2)
    async with aiomqtt.Client("127.0.0.1", embedded_broker.port) as client:
        for site in sites:  # what another test may have left
            await client.publish(f"forecourt/v1/{site.spec.code}/status", b"", qos=1, retain=True)
    state = str(tmp_path / "state.sqlite3")
    async with listening(embedded_broker, sites) as listener:
        process = await simulate(
            "--sites", "2", "--mqtt-url", embedded_broker.url, "--state", state, "--history", "0"
        )
        assert process.stdout is not None
        started = await process.stdout.readline()
        assert started.decode().startswith("Playing 2 sites at 127.0.0.1:")
        await listener.until(lambda heard: len(set(heard.statuses)) == 2)
        process.send_signal(number)
        async with asyncio.timeout(PATIENCE_SECONDS):
            output, errors = await process.communicate()
        assert process.returncode == 0, errors
        assert output == b""
        await listener.until(
            lambda heard: [online for _, online in heard.statuses[-2:]] == [False] * 2
        )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--sites", "0"], "between 1 and 5000 demo sites, not 0"),
        (["--speed", "0"], "'0' is no number above 0"),
        (["--history", "-1"], "'-1' is no number of days"),
        (["--mqtt-url", "http://somewhere"], "is not mqtt://"),
    ],
)
async def test_the_command_refuses_what_it_cannot_play(
    tmp_path: Path, arguments: list[str], message: str
) -> None:
    url = f"mqtt://127.0.0.1:{free_port()}"
    defaults = ["--state", str(tmp_path / "state.sqlite3"), "--mqtt-url", url]
    process = await simulate(*defaults, *arguments)
    async with asyncio.timeout(PATIENCE_SECONDS):
        _, errors = await process.communicate()
    assert process.returncode != 0
    assert message in errors.decode()
    assert "Traceback" not in errors.decode()
