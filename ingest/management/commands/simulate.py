"""`manage.py simulate`: believable sites that speak the contract to the broker."""

from __future__ import annotations

import asyncio
import signal
from argparse import ArgumentParser, ArgumentTypeError, BooleanOptionalAction
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from ingest.mqtt import BrokerAddress
from ingest.simulator.fleet import run_fleet
from ingest.simulator.forecourt import WITH_FAULTS, WITHOUT_FAULTS
from ingest.simulator.journal import Journal, JournalError
from ingest.simulator.site import AWAY_DAYS_MAX, Plan
from ledger.demo_sites import DEMO_SITES_DEFAULT, DemoSite, demo_sites
from ledger.seal_series import SeriesError

SPEED_MAX = 200.0
HISTORY_DAYS_MAX = 60


def speed_from(text: str) -> float:
    """Read a speed that customers can still be seen at."""
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed <= SPEED_MAX:
        raise ArgumentTypeError(f"{text!r} is no number above 0 and up to {SPEED_MAX:g}")
    return speed


def history_from(text: str) -> int:
    """Read a number of days."""
    if not text.isascii() or not text.isdigit() or int(text) > HISTORY_DAYS_MAX:
        raise ArgumentTypeError(f"{text!r} is no number of days from 0 to {HISTORY_DAYS_MAX}")
    return int(text)


class Command(BaseCommand):
    """Play sites until stopped."""

    help = (
        "Plays demo sites (those that seed_demo registers) against the broker: days, customers, "
        "deliveries, alarms, outages; it answers resend. It needs no database. Its clock is the "
        "real one and never runs ahead of it: --history lives through the days before the first "
        "start as fast as the machine allows, then everything happens as it does. --speed X makes "
        "the sites X times as lively from then on: X times as many customers come, and all that "
        "they do (walking, fuelling, paying), deliveries and troubles take 1/X of their time; "
        "fiscal days still last a day. A later start goes on where the state ends, and lives "
        f"through what it missed at the ordinary pace (after more than {AWAY_DAYS_MAX} days the "
        "sites were shut in between)."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the size, the pace and the place of the state."""
        parser.add_argument(
            "--sites", type=int, default=DEMO_SITES_DEFAULT, help="how many sites (%(default)s)"
        )
        parser.add_argument(
            "--speed", type=speed_from, default=1.0, help="how lively (%(default)s)"
        )
        parser.add_argument(
            "--seed", type=int, default=1, help="the same seed plays the same days (%(default)s)"
        )
        parser.add_argument(
            "--history", type=history_from, default=1, metavar="DAYS",
            help="closed days before today, at the first start (%(default)s)",
        )  # fmt: skip
        parser.add_argument(
            "--state", type=Path, help="where the sites remember (VAR_DIR/simulator.sqlite3)"
        )
        parser.add_argument(
            "--faults", action=BooleanOptionalAction, default=True,
            help="outages, fuelling points out of order, and now and then an entry that gets lost",
        )  # fmt: skip
        parser.add_argument("--mqtt-url", default=settings.MQTT_URL, help="default: MQTT_URL")

    def handle(self, *args: Any, **options: Any) -> None:
        """Check, say what is played, play."""
        state = options["state"] or settings.VAR_DIR / "simulator.sqlite3"
        plan = Plan(
            seed=options["seed"],
            pace=options["speed"],
            history_days=options["history"],
            behaviour=WITH_FAULTS if options["faults"] else WITHOUT_FAULTS,
        )
        try:
            address = BrokerAddress.parse(options["mqtt_url"], authority=settings.MQTT_CA)
            sites = demo_sites(options["sites"])
        except ValueError as error:
            raise CommandError(str(error)) from error
        try:
            journal = Journal(state)
            try:
                asyncio.run(self._play(sites, plan, journal, address, state))
            finally:
                journal.close()
        except (JournalError, SeriesError) as error:
            raise CommandError(str(error)) from error

    async def _play(
        self,
        sites: tuple[DemoSite, ...],
        plan: Plan,
        journal: Journal,
        address: BrokerAddress,
        state: Path,
    ) -> None:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        self.stdout.write(
            f"Playing {len(sites)} sites at {address.host}:{address.port}, speed {plan.pace:g}, "
            f"seed {plan.seed}; they remember in {state}."
        )
        self.stdout.flush()
        await run_fleet(sites, plan=plan, journal=journal, address=address, stop=stop)
