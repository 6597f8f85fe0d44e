"""The measures of the ledger, each with one precision, the contract's.

Money and litres are `Decimal` in Python and `numeric` in PostgreSQL; nothing passes through a
binary float.
"""

from typing import Any

from django.db import models


class MoneyField(models.DecimalField):
    """An amount in the site's currency, 2 decimal places, up to 9,999,999,999.99."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.update(max_digits=12, decimal_places=2)
        super().__init__(*args, **kwargs)


class VolumeField(models.DecimalField):
    """Litres, 3 decimal places, up to 999,999,999.999 (a sum over years fits too)."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.update(max_digits=12, decimal_places=3)
        super().__init__(*args, **kwargs)


class UnitPriceField(models.DecimalField):
    """A price for one litre, 4 decimal places, up to 99,999.9999."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.update(max_digits=9, decimal_places=4)
        super().__init__(*args, **kwargs)


class TotalMoneyField(models.DecimalField):
    """A sum of amounts, 2 decimal places."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.update(max_digits=18, decimal_places=2)
        super().__init__(*args, **kwargs)


class TotalVolumeField(models.DecimalField):
    """A sum of litres, or a totalizer that never resets, 3 decimal places."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.update(max_digits=18, decimal_places=3)
        super().__init__(*args, **kwargs)


class TemperatureField(models.DecimalField):
    """Degrees Celsius, 1 decimal place."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.update(max_digits=5, decimal_places=1)
        super().__init__(*args, **kwargs)


class TaxRateField(models.DecimalField):
    """A tax rate in per cent, 2 decimal places."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.update(max_digits=5, decimal_places=2)
        super().__init__(*args, **kwargs)
