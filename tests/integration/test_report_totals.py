"""Day totals by tax rate and payment, made of a ledger that had them by product alone."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from django.db import connection

import ledger.sql
from ledger.models import DayTotal, Kind, Payment, PaymentTotal
from ledger.models.day import NO_PAYMENT, NO_TAX_RATE
from tests.factories import make_entry, make_site

pytestmark = pytest.mark.django_db
SQL = Path(ledger.sql.__file__).parent


def run(name: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute((SQL / f"{name}.sql").read_text(encoding="utf-8"))


def test_the_migration_adds_up_what_is_there_and_its_reverse_merges_it() -> None:
    site = make_site()
    twenty = {"tax_rate": Decimal(20), "payment": Payment.CARD}
    make_entry(site, sequence=1, amount=Decimal("47.93"), **twenty)
    make_entry(site, sequence=2, amount=Decimal("-0.03"), kind=Kind.REFUND, **twenty)
    make_entry(site, sequence=3, amount=Decimal("10.00"), tax_rate=Decimal(0))
    make_entry(site, sequence=4, amount=Decimal("0.03"), volume=None, **twenty)
    make_entry(site, sequence=5, amount=Decimal("1.00"), volume=None)
    run("report_totals.reverse")
    run("report_totals")
    rows = DayTotal.objects.order_by("kind", "tax_rate")
    assert list(rows.values_list("kind", "tax_rate", "count", "volume", "amount", "tax")) == [
        (Kind.SALE, NO_TAX_RATE, 1, 0, Decimal("1.00"), 0),
        (Kind.SALE, 0, 1, Decimal("32.407"), Decimal("10.00"), 0),
        # 47.93 holds 7.99 (7.988), and 0.03 holds 0.01 (0.005), half away from zero.
        (Kind.SALE, 20, 2, Decimal("32.407"), Decimal("47.96"), Decimal("8.00")),
        (Kind.REFUND, 20, 1, Decimal("32.407"), Decimal("-0.03"), Decimal("-0.01")),
    ]
    payments = PaymentTotal.objects.order_by("payment", "kind")
    assert list(payments.values_list("payment", "kind", "count", "volume", "amount")) == [
        (NO_PAYMENT, Kind.SALE, 2, Decimal("32.407"), Decimal("11.00")),
        (Payment.CARD, Kind.SALE, 2, Decimal("32.407"), Decimal("47.96")),
        (Payment.CARD, Kind.REFUND, 1, Decimal("32.407"), Decimal("-0.03")),
    ]
    run("report_totals.reverse")
    with connection.cursor() as cursor:
        cursor.execute("SELECT kind, count, volume, amount, tax FROM day_total ORDER BY kind")
        assert cursor.fetchall() == [
            (Kind.SALE, 4, Decimal("64.814"), Decimal("58.96"), Decimal("8.00")),
            (Kind.REFUND, 1, Decimal("32.407"), Decimal("-0.03"), Decimal("-0.01")),
        ]
