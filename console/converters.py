"""What the variable parts of addresses may look like."""

import datetime

from ledger.models.site import SITE_CODE_PATTERN


class SiteCodeConverter:
    """A site's code."""

    regex = SITE_CODE_PATTERN

    def to_python(self, value: str) -> str:
        """Return the code as it is."""
        return value

    def to_url(self, value: str) -> str:
        """Return the code as it is."""
        return value


class FiscalDayConverter:
    """A fiscal day as YYYY-MM-DD; a date that is none (2026-02-30) is no address."""

    regex = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"

    def to_python(self, value: str) -> datetime.date:
        """Return the date."""
        return datetime.date.fromisoformat(value)

    def to_url(self, value: datetime.date) -> str:
        """Return the date as the address writes it."""
        return value.isoformat()


class DifferenceConverter:
    """What differs in a day and of which device or product: `missing`, `nozzle-3-1`."""

    regex = r"[a-z_]+(?:-[^/]{1,32})?"

    def to_python(self, value: str) -> str:
        """Return it as it is: a difference that there is not answers 404."""
        return value

    def to_url(self, value: str) -> str:
        """Return it as it is; the address quotes what has to be."""
        return value
