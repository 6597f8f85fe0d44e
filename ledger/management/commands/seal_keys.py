"""`manage.py seal_keys`: list the keys that sign seals, or make a new one."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from ledger import signing
from ledger.services.audit import audit_record
from ledger.services.transactions import durable


class Command(BaseCommand):
    """List the keys, the newest last; with `--new`, make one first."""

    help = (
        "Lists the keys that sign seals (the folder SEAL_KEYS). --new makes another one, which "
        "signs from then on; the public keys of older ones go on verifying."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Take whether to make a key."""
        parser.add_argument("--new", action="store_true", help="make a key that signs from now on")

    def handle(self, *args: Any, new: bool, **options: Any) -> None:
        """Make, record, list."""
        try:
            if new:
                name = signing.key_make(is_wanted=True)
                with durable():
                    audit_record(
                        action="key.made",
                        actor="seal_keys",
                        subject=name,
                        detail={"public_key": signing.public_keys()[name].hex()},
                    )
            keys, signs = signing.public_keys(), signing.newest_key()
        except signing.SigningError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Keys in {signing.folder()}, their public keys, and which one signs:")
        for name, raw in sorted(keys.items()):
            self.stdout.write(f"  {name}  {raw.hex()}" + ("  signs" if name == signs else ""))
        if not signs:
            self.stdout.write("No key signs yet: one is made when the first day is sealed.")
