"""`manage.py contract`: the event contract for integrators and their tools."""

from __future__ import annotations

from typing import Any

import msgspec
from django.core.management.base import BaseCommand

from ingest.asyncapi import document


class Command(BaseCommand):
    """Print the contract."""

    help = "Prints the event contract as an AsyncAPI 3 document with a JSON schema of each message."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        """Print it as JSON that people can read, too."""
        encoded = msgspec.json.encode(document())
        self.stdout.write(msgspec.json.format(encoded, indent=2).decode())
