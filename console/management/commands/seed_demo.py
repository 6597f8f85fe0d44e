"""`manage.py seed_demo`: the demo's sites, and one person for each role."""

from __future__ import annotations

from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from console.demo import DEMO_PEOPLE, Demo, DemoRefusedError, demo_seed
from console.models import Role
from ledger.demo_sites import DEMO_SITES_DEFAULT
from ledger.services.sites import SiteRegistrationError


class Command(BaseCommand):
    """Make the demo, and say who signs in how."""

    help = (
        "Registers the demo sites that `simulate` plays and makes one demo person for each role. "
        "Running it again changes nothing. Works only while DEBUG is on."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the number of sites."""
        parser.add_argument(
            "--sites", type=int, default=DEMO_SITES_DEFAULT, help="how many sites (%(default)s)"
        )

    def handle(self, *args: Any, sites: int, **options: Any) -> None:
        """Seed and show."""
        try:
            demo = demo_seed(site_count=sites)
        except (DemoRefusedError, SiteRegistrationError, ValueError) as error:
            raise CommandError(str(error)) from error
        console = Console(file=self.stdout)  # type: ignore[arg-type]
        outcomes = Counter(registration.outcome for registration in demo.registrations)
        found = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.items())
        console.print(f"Demo sites: {found}", highlight=False)
        console.print(people_table(demo))


def people_table(demo: Demo) -> Table:
    """Who signs in with what."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading in ("Demo person", "Username", "Password", "Sees"):
        # A password that is cut short to fit the terminal is of no use.
        table.add_column(heading, no_wrap=heading != "Sees")
    for person in DEMO_PEOPLE:
        table.add_row(
            f"{person.role.label} {person.first_name}",
            person.username,
            person.password,
            _sees(person.role, demo),
        )
    return table


def _sees(role: Role, demo: Demo) -> str:
    if role == Role.MANAGER:
        return " ".join(site.code for site in demo.managed_sites)
    return "no site" if role == Role.FRONTEND else "all sites"
