"""A fiscal day as the pieces of its page show it, read once for all of them."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from ledger.models import FiscalDay
from ledger.selectors.days import day_products, product_families

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from console.models import User


class DayView:
    """One person's look at a fiscal day. Each part is read when it is first asked for.

    Make one for each rendering, and never keep it: it does not change.
    """

    def __init__(self, day: FiscalDay, user: User | AnonymousUser) -> None:
        self.day = day
        self.user = user

    @cached_property
    def families(self) -> dict[str, str]:
        """The family of each product by code, which decides its colour."""
        return product_families(self.day.site)

    @cached_property
    def products(self) -> list[str]:
        """The products of the day's entries."""
        return list(day_products(self.day))
