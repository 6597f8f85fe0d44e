import django.db.models.deletion
from django.db import migrations, models

import ledger.models.fields
from ledger.sql import run_sql


class Migration(migrations.Migration):
    dependencies = [
        ("ledger", "0007_adoption"),
    ]

    operations = [
        migrations.CreateModel(
            name="PaymentTotal",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "site_id",
                        "fiscal_day",
                        "payment",
                        "kind",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("fiscal_day", models.DateField(verbose_name="fiscal day")),
                (
                    "payment",
                    models.SmallIntegerField(
                        choices=[
                            (0, "Not stated"),
                            (1, "Cash"),
                            (2, "Card"),
                            (3, "Fuel card"),
                            (4, "Account"),
                            (5, "App"),
                            (6, "Other"),
                        ],
                        verbose_name="payment",
                    ),
                ),
                (
                    "kind",
                    models.SmallIntegerField(
                        choices=[(1, "Sale"), (2, "Refund"), (3, "Pump test"), (4, "Drive-off")],
                        verbose_name="kind",
                    ),
                ),
                ("count", models.IntegerField(verbose_name="entries")),
                (
                    "volume",
                    ledger.models.fields.TotalVolumeField(
                        decimal_places=3, max_digits=18, verbose_name="volume, litres"
                    ),
                ),
                (
                    "amount",
                    ledger.models.fields.TotalMoneyField(
                        decimal_places=2, max_digits=18, verbose_name="amount"
                    ),
                ),
                (
                    "site",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="ledger.site",
                    ),
                ),
            ],
            options={
                "db_table": "payment_total",
            },
        ),
        # Django cannot alter a composite key; it is told what the SQL does.
        migrations.SeparateDatabaseAndState(
            database_operations=[run_sql("report_totals")],
            state_operations=[
                migrations.AddField(
                    model_name="daytotal",
                    name="tax_rate",
                    field=ledger.models.fields.TaxRateField(
                        decimal_places=2, max_digits=5, verbose_name="tax rate, per cent"
                    ),
                    preserve_default=False,
                ),
                migrations.AlterField(
                    model_name="daytotal",
                    name="pk",
                    field=models.CompositePrimaryKey(
                        "site_id",
                        "fiscal_day",
                        "product",
                        "kind",
                        "tax_rate",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
            ],
        ),
    ]
