import django.core.validators
import django.db.models.deletion
from django.db import migrations, models

import ledger.models.fields
from ledger.sql import run_sql


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Pulse",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "at",
                        "worker",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("at", models.DateTimeField(verbose_name="second")),
                ("worker", models.CharField(max_length=64, verbose_name="worker")),
                ("received", models.IntegerField(verbose_name="messages received")),
                ("stored", models.IntegerField(verbose_name="entries stored")),
                ("duplicates", models.IntegerField(verbose_name="duplicates")),
                ("quarantined", models.IntegerField(verbose_name="quarantined")),
                ("live", models.IntegerField(verbose_name="live messages")),
                ("live_written", models.IntegerField(verbose_name="live states written")),
                ("batches", models.IntegerField(verbose_name="batches")),
                ("backlog", models.IntegerField(verbose_name="messages held")),
                ("latency_ms_p50", models.FloatField(null=True)),
                ("latency_ms_p95", models.FloatField(null=True)),
                ("latency_ms_p99", models.FloatField(null=True)),
                ("latency_ms_max", models.FloatField(null=True)),
                ("lag_ms_p50", models.FloatField(null=True)),
                ("lag_ms_p99", models.FloatField(null=True)),
            ],
            options={
                "db_table": "pulse",
            },
        ),
        migrations.CreateModel(
            name="Site",
            fields=[
                ("id", models.SmallAutoField(primary_key=True, serialize=False)),
                (
                    "code",
                    models.CharField(
                        max_length=32,
                        unique=True,
                        validators=[
                            django.core.validators.RegexValidator("^[A-Za-z0-9-]{1,32}\\Z")
                        ],
                        verbose_name="code",
                    ),
                ),
                ("name", models.CharField(max_length=120, verbose_name="name")),
                ("brand", models.CharField(blank=True, max_length=80, verbose_name="brand")),
                ("address", models.CharField(blank=True, max_length=240, verbose_name="address")),
                ("city", models.CharField(blank=True, max_length=80, verbose_name="city")),
                ("postcode", models.CharField(blank=True, max_length=16, verbose_name="postcode")),
                ("country", models.CharField(blank=True, max_length=60, verbose_name="country")),
                (
                    "latitude",
                    models.DecimalField(
                        blank=True,
                        decimal_places=6,
                        max_digits=9,
                        null=True,
                        verbose_name="latitude",
                    ),
                ),
                (
                    "longitude",
                    models.DecimalField(
                        blank=True,
                        decimal_places=6,
                        max_digits=9,
                        null=True,
                        verbose_name="longitude",
                    ),
                ),
                (
                    "timezone",
                    models.CharField(
                        default="Europe/London", max_length=64, verbose_name="time zone"
                    ),
                ),
                (
                    "currency",
                    models.CharField(default="GBP", max_length=3, verbose_name="currency"),
                ),
                (
                    "source_id",
                    models.CharField(
                        blank=True,
                        max_length=64,
                        null=True,
                        unique=True,
                        verbose_name="identifier in the source register",
                    ),
                ),
                ("is_closed", models.BooleanField(default=False, verbose_name="closed for trade")),
                (
                    "stale_after_s",
                    models.PositiveIntegerField(
                        default=300, verbose_name="data counts as stale after (seconds)"
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(auto_now_add=True, verbose_name="registered at"),
                ),
            ],
            options={
                "verbose_name": "site",
                "verbose_name_plural": "sites",
                "db_table": "site",
                "ordering": ("code",),
            },
        ),
        migrations.CreateModel(
            name="SiteStatus",
            fields=[
                (
                    "site",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="status",
                        serialize=False,
                        to="ledger.site",
                    ),
                ),
                ("online", models.BooleanField(null=True, verbose_name="online")),
                (
                    "controller",
                    models.CharField(
                        blank=True, db_default="", max_length=80, verbose_name="controller"
                    ),
                ),
                ("at", models.DateTimeField(null=True, verbose_name="status declared at")),
                ("since", models.DateTimeField(null=True, verbose_name="online or offline since")),
                ("last_heard_at", models.DateTimeField(null=True, verbose_name="last heard at")),
            ],
            options={
                "db_table": "site_status",
            },
        ),
        migrations.CreateModel(
            name="PumpState",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "site_id",
                        "fuelling_point",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("fuelling_point", models.SmallIntegerField(verbose_name="fuelling point")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("inoperative", "Inoperative"),
                            ("closed", "Closed"),
                            ("idle", "Idle"),
                            ("calling", "Calling"),
                            ("authorised", "Authorised"),
                            ("started", "Started"),
                            ("suspended_started", "Suspended before fuelling"),
                            ("fuelling", "Fuelling"),
                            ("suspended_fuelling", "Suspended"),
                            ("offline", "Offline"),
                        ],
                        max_length=20,
                        verbose_name="state",
                    ),
                ),
                ("since", models.DateTimeField(verbose_name="in this state since")),
                ("at", models.DateTimeField(verbose_name="declared at")),
                ("received_at", models.DateTimeField(verbose_name="received at")),
                ("nozzle", models.SmallIntegerField(null=True, verbose_name="nozzle")),
                ("product", models.CharField(max_length=32, null=True, verbose_name="product")),
                (
                    "volume",
                    ledger.models.fields.VolumeField(
                        decimal_places=3, max_digits=12, null=True, verbose_name="volume, litres"
                    ),
                ),
                (
                    "amount",
                    ledger.models.fields.MoneyField(
                        decimal_places=2, max_digits=12, null=True, verbose_name="amount"
                    ),
                ),
                (
                    "unit_price",
                    ledger.models.fields.UnitPriceField(
                        decimal_places=4, max_digits=9, null=True, verbose_name="price a litre"
                    ),
                ),
                (
                    "site",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="pump_states",
                        to="ledger.site",
                    ),
                ),
            ],
            options={
                "db_table": "pump_state",
            },
        ),
        migrations.CreateModel(
            name="Product",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "site_id",
                        "code",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("code", models.CharField(max_length=32, verbose_name="code")),
                ("name", models.CharField(max_length=80, verbose_name="name")),
                (
                    "family",
                    models.CharField(
                        choices=[
                            ("petrol", "Petrol"),
                            ("petrol_premium", "Premium petrol"),
                            ("diesel", "Diesel"),
                            ("diesel_premium", "Premium diesel"),
                            ("renewable", "Renewable diesel"),
                            ("lpg", "LPG"),
                            ("adblue", "AdBlue"),
                            ("dry_goods", "Dry goods"),
                        ],
                        max_length=16,
                        verbose_name="family",
                    ),
                ),
                (
                    "unit_price",
                    ledger.models.fields.UnitPriceField(
                        blank=True,
                        decimal_places=4,
                        max_digits=9,
                        null=True,
                        verbose_name="price a litre",
                    ),
                ),
                (
                    "tax_rate",
                    ledger.models.fields.TaxRateField(
                        blank=True,
                        decimal_places=2,
                        max_digits=5,
                        null=True,
                        verbose_name="tax rate, per cent",
                    ),
                ),
                (
                    "site",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="products",
                        to="ledger.site",
                    ),
                ),
            ],
            options={
                "db_table": "product",
                "ordering": ("site_id", "code"),
            },
        ),
        migrations.CreateModel(
            name="NozzleState",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "site_id",
                        "fuelling_point",
                        "nozzle",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("fuelling_point", models.SmallIntegerField(verbose_name="fuelling point")),
                ("nozzle", models.SmallIntegerField(verbose_name="nozzle")),
                ("fiscal_day", models.DateField(verbose_name="fiscal day")),
                ("sequence", models.IntegerField(verbose_name="sequence")),
                ("occurred_at", models.DateTimeField(verbose_name="occurred at")),
                ("product", models.CharField(max_length=32, verbose_name="product")),
                (
                    "volume",
                    ledger.models.fields.VolumeField(
                        decimal_places=3, max_digits=12, null=True, verbose_name="volume, litres"
                    ),
                ),
                (
                    "amount",
                    ledger.models.fields.MoneyField(
                        decimal_places=2, max_digits=12, verbose_name="amount"
                    ),
                ),
                (
                    "totalizer",
                    ledger.models.fields.TotalVolumeField(
                        decimal_places=3, max_digits=18, null=True, verbose_name="totalizer, litres"
                    ),
                ),
                (
                    "site",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="nozzle_states",
                        to="ledger.site",
                    ),
                ),
            ],
            options={
                "db_table": "nozzle_state",
            },
        ),
        migrations.CreateModel(
            name="Nozzle",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "site_id",
                        "fuelling_point",
                        "number",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("fuelling_point", models.SmallIntegerField(verbose_name="fuelling point")),
                ("number", models.SmallIntegerField(verbose_name="number")),
                ("product", models.CharField(max_length=32, verbose_name="product")),
                ("tank", models.SmallIntegerField(blank=True, null=True, verbose_name="tank")),
                (
                    "site",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="nozzles",
                        to="ledger.site",
                    ),
                ),
            ],
            options={
                "db_table": "nozzle",
                "ordering": ("site_id", "fuelling_point", "number"),
            },
        ),
        migrations.CreateModel(
            name="HourTotal",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "site_id",
                        "fiscal_day",
                        "hour",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("fiscal_day", models.DateField(verbose_name="fiscal day")),
                ("hour", models.SmallIntegerField(verbose_name="hour")),
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
                "db_table": "hour_total",
            },
        ),
        migrations.CreateModel(
            name="FuellingPoint",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "site_id",
                        "number",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("number", models.SmallIntegerField(verbose_name="number")),
                ("bay", models.SmallIntegerField(default=1, verbose_name="bay")),
                (
                    "site",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="fuelling_points",
                        to="ledger.site",
                    ),
                ),
            ],
            options={
                "db_table": "fuelling_point",
                "ordering": ("site_id", "number"),
            },
        ),
        migrations.CreateModel(
            name="FiscalDay",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "site_id",
                        "fiscal_day",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("fiscal_day", models.DateField(verbose_name="fiscal day")),
                ("opened_at", models.DateTimeField(null=True, verbose_name="opened at")),
                ("closed_at", models.DateTimeField(null=True, verbose_name="closed at")),
                (
                    "last_sequence",
                    models.IntegerField(null=True, verbose_name="last sequence, as declared"),
                ),
                ("entry_count", models.IntegerField(db_default=0, verbose_name="entries held")),
                (
                    "highest_sequence",
                    models.IntegerField(db_default=0, verbose_name="highest sequence held"),
                ),
                (
                    "last_entry_at",
                    models.DateTimeField(null=True, verbose_name="newest entry occurred at"),
                ),
                (
                    "last_received_at",
                    models.DateTimeField(null=True, verbose_name="newest entry received at"),
                ),
                ("opening_digest", models.BinaryField(max_length=32, null=True)),
                ("closing_digest", models.BinaryField(max_length=32, null=True)),
                ("sealed_at", models.DateTimeField(null=True, verbose_name="sealed at")),
                ("seal", models.BinaryField(max_length=32, null=True)),
                (
                    "site",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="fiscal_days",
                        to="ledger.site",
                    ),
                ),
            ],
            options={
                "verbose_name": "fiscal day",
                "verbose_name_plural": "fiscal days",
                "db_table": "fiscal_day",
            },
        ),
        # Partitioned, so made by hand; Django knows the model only as state.
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.CreateModel(
                    name="Entry",
                    fields=[
                        (
                            "pk",
                            models.CompositePrimaryKey(
                                "site_id",
                                "fiscal_day",
                                "sequence",
                                blank=True,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        ("fiscal_day", models.DateField(verbose_name="fiscal day")),
                        ("sequence", models.IntegerField(verbose_name="sequence")),
                        (
                            "kind",
                            models.SmallIntegerField(
                                choices=[
                                    (1, "Sale"),
                                    (2, "Refund"),
                                    (3, "Pump test"),
                                    (4, "Drive-off"),
                                ],
                                verbose_name="kind",
                            ),
                        ),
                        ("occurred_at", models.DateTimeField(verbose_name="occurred at")),
                        ("received_at", models.DateTimeField(verbose_name="received at")),
                        ("product", models.CharField(max_length=32, verbose_name="product")),
                        (
                            "amount",
                            ledger.models.fields.MoneyField(
                                decimal_places=2, max_digits=12, verbose_name="amount"
                            ),
                        ),
                        (
                            "volume",
                            ledger.models.fields.VolumeField(
                                decimal_places=3,
                                max_digits=12,
                                null=True,
                                verbose_name="volume, litres",
                            ),
                        ),
                        (
                            "volume_15c",
                            ledger.models.fields.VolumeField(
                                decimal_places=3,
                                max_digits=12,
                                null=True,
                                verbose_name="volume at 15 degrees, litres",
                            ),
                        ),
                        (
                            "unit_price",
                            ledger.models.fields.UnitPriceField(
                                decimal_places=4,
                                max_digits=9,
                                null=True,
                                verbose_name="price a litre",
                            ),
                        ),
                        (
                            "tax_rate",
                            ledger.models.fields.TaxRateField(
                                decimal_places=2,
                                max_digits=5,
                                null=True,
                                verbose_name="tax rate, per cent",
                            ),
                        ),
                        (
                            "fuelling_point",
                            models.SmallIntegerField(null=True, verbose_name="fuelling point"),
                        ),
                        ("nozzle", models.SmallIntegerField(null=True, verbose_name="nozzle")),
                        ("tank", models.SmallIntegerField(null=True, verbose_name="tank")),
                        (
                            "payment",
                            models.SmallIntegerField(
                                choices=[
                                    (1, "Cash"),
                                    (2, "Card"),
                                    (3, "Fuel card"),
                                    (4, "Account"),
                                    (5, "App"),
                                    (6, "Other"),
                                ],
                                null=True,
                                verbose_name="payment",
                            ),
                        ),
                        (
                            "device_transaction",
                            models.IntegerField(
                                null=True, verbose_name="pump's own transaction number"
                            ),
                        ),
                        (
                            "totalizer",
                            ledger.models.fields.TotalVolumeField(
                                decimal_places=3,
                                max_digits=18,
                                null=True,
                                verbose_name="totalizer, litres",
                            ),
                        ),
                        (
                            "offline",
                            models.BooleanField(
                                default=False, verbose_name="sold while the pump ran stand-alone"
                            ),
                        ),
                        ("flags", models.SmallIntegerField(default=0, verbose_name="flags")),
                        (
                            "site",
                            models.ForeignKey(
                                db_constraint=False,
                                db_index=False,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="entries",
                                to="ledger.site",
                            ),
                        ),
                    ],
                    options={
                        "verbose_name": "entry",
                        "verbose_name_plural": "entries",
                        "db_table": "entry",
                    },
                )
            ],
            database_operations=[
                run_sql("entry"),
                run_sql("entry_append_only"),
                run_sql("entry_partitions"),
            ],
        ),
        migrations.CreateModel(
            name="Dip",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "site_id",
                        "fiscal_day",
                        "tank",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("fiscal_day", models.DateField(verbose_name="fiscal day")),
                ("tank", models.SmallIntegerField(verbose_name="tank")),
                ("product", models.CharField(max_length=32, verbose_name="product")),
                (
                    "opening_volume",
                    ledger.models.fields.TotalVolumeField(
                        decimal_places=3,
                        max_digits=18,
                        null=True,
                        verbose_name="opening volume, litres",
                    ),
                ),
                (
                    "opening_water",
                    ledger.models.fields.TotalVolumeField(
                        decimal_places=3,
                        max_digits=18,
                        null=True,
                        verbose_name="opening water, litres",
                    ),
                ),
                (
                    "opening_temperature",
                    ledger.models.fields.TemperatureField(
                        decimal_places=1,
                        max_digits=5,
                        null=True,
                        verbose_name="opening temperature, Celsius",
                    ),
                ),
                (
                    "closing_volume",
                    ledger.models.fields.TotalVolumeField(
                        decimal_places=3,
                        max_digits=18,
                        null=True,
                        verbose_name="closing volume, litres",
                    ),
                ),
                (
                    "closing_water",
                    ledger.models.fields.TotalVolumeField(
                        decimal_places=3,
                        max_digits=18,
                        null=True,
                        verbose_name="closing water, litres",
                    ),
                ),
                (
                    "closing_temperature",
                    ledger.models.fields.TemperatureField(
                        decimal_places=1,
                        max_digits=5,
                        null=True,
                        verbose_name="closing temperature, Celsius",
                    ),
                ),
                (
                    "site",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="ledger.site",
                    ),
                ),
            ],
            options={
                "db_table": "dip",
            },
        ),
        migrations.CreateModel(
            name="Delivery",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "site_id",
                        "tank",
                        "at",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("tank", models.SmallIntegerField(verbose_name="tank")),
                ("at", models.DateTimeField(verbose_name="at")),
                ("product", models.CharField(max_length=32, verbose_name="product")),
                (
                    "volume",
                    ledger.models.fields.TotalVolumeField(
                        decimal_places=3, max_digits=18, verbose_name="volume, litres"
                    ),
                ),
                (
                    "volume_15c",
                    ledger.models.fields.TotalVolumeField(
                        decimal_places=3,
                        max_digits=18,
                        null=True,
                        verbose_name="volume at 15 degrees, litres",
                    ),
                ),
                ("document", models.CharField(blank=True, max_length=80, verbose_name="document")),
                ("received_at", models.DateTimeField(verbose_name="received at")),
                (
                    "site",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="deliveries",
                        to="ledger.site",
                    ),
                ),
            ],
            options={
                "db_table": "delivery",
            },
        ),
        migrations.CreateModel(
            name="DeclaredTotal",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "site_id",
                        "fiscal_day",
                        "product",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("fiscal_day", models.DateField(verbose_name="fiscal day")),
                ("product", models.CharField(max_length=32, verbose_name="product")),
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
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="ledger.site",
                    ),
                ),
            ],
            options={
                "db_table": "declared_total",
            },
        ),
        migrations.CreateModel(
            name="DayTotal",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "site_id",
                        "fiscal_day",
                        "product",
                        "kind",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("fiscal_day", models.DateField(verbose_name="fiscal day")),
                ("product", models.CharField(max_length=32, verbose_name="product")),
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
                    "tax",
                    ledger.models.fields.TotalMoneyField(
                        decimal_places=2, max_digits=18, verbose_name="tax"
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
                "db_table": "day_total",
            },
        ),
        migrations.CreateModel(
            name="AlarmEvent",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "site_id",
                        "device",
                        "number",
                        "code",
                        "at",
                        "state",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("device", models.CharField(max_length=32, verbose_name="device")),
                ("number", models.IntegerField(verbose_name="number")),
                ("code", models.CharField(max_length=64, verbose_name="code")),
                ("at", models.DateTimeField(verbose_name="at")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("started", "Started"),
                            ("finished", "Finished"),
                            ("detected", "Detected"),
                        ],
                        max_length=8,
                        verbose_name="state",
                    ),
                ),
                ("severity", models.CharField(blank=True, max_length=16, verbose_name="severity")),
                ("text", models.CharField(blank=True, max_length=500, verbose_name="text")),
                ("received_at", models.DateTimeField(verbose_name="received at")),
                (
                    "site",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="alarm_events",
                        to="ledger.site",
                    ),
                ),
            ],
            options={
                "db_table": "alarm_event",
            },
        ),
        migrations.CreateModel(
            name="Alarm",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "site_id",
                        "device",
                        "number",
                        "code",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("device", models.CharField(max_length=32, verbose_name="device")),
                ("number", models.IntegerField(verbose_name="number")),
                ("code", models.CharField(max_length=64, verbose_name="code")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("started", "Started"),
                            ("finished", "Finished"),
                            ("detected", "Detected"),
                        ],
                        max_length=8,
                        verbose_name="state",
                    ),
                ),
                ("at", models.DateTimeField(verbose_name="at")),
                ("severity", models.CharField(blank=True, max_length=16, verbose_name="severity")),
                ("text", models.CharField(blank=True, max_length=500, verbose_name="text")),
                (
                    "site",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="alarms",
                        to="ledger.site",
                    ),
                ),
            ],
            options={
                "db_table": "alarm",
            },
        ),
        migrations.CreateModel(
            name="Tank",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "site_id",
                        "number",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("number", models.SmallIntegerField(verbose_name="number")),
                ("product", models.CharField(max_length=32, verbose_name="product")),
                (
                    "capacity",
                    ledger.models.fields.TotalVolumeField(
                        decimal_places=3, max_digits=18, verbose_name="capacity, litres"
                    ),
                ),
                (
                    "low_mark",
                    ledger.models.fields.TotalVolumeField(
                        blank=True,
                        decimal_places=3,
                        max_digits=18,
                        null=True,
                        verbose_name="low mark, litres",
                    ),
                ),
                (
                    "high_mark",
                    ledger.models.fields.TotalVolumeField(
                        blank=True,
                        decimal_places=3,
                        max_digits=18,
                        null=True,
                        verbose_name="high mark, litres",
                    ),
                ),
                (
                    "site",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="tanks",
                        to="ledger.site",
                    ),
                ),
            ],
            options={
                "db_table": "tank",
                "ordering": ("site_id", "number"),
            },
        ),
        migrations.CreateModel(
            name="TankState",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "site_id",
                        "tank",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("tank", models.SmallIntegerField(verbose_name="tank")),
                ("at", models.DateTimeField(verbose_name="measured at")),
                ("received_at", models.DateTimeField(verbose_name="received at")),
                ("product", models.CharField(max_length=32, null=True, verbose_name="product")),
                (
                    "volume",
                    ledger.models.fields.TotalVolumeField(
                        decimal_places=3, max_digits=18, null=True, verbose_name="volume, litres"
                    ),
                ),
                (
                    "ullage",
                    ledger.models.fields.TotalVolumeField(
                        decimal_places=3, max_digits=18, null=True, verbose_name="ullage, litres"
                    ),
                ),
                (
                    "capacity",
                    ledger.models.fields.TotalVolumeField(
                        decimal_places=3, max_digits=18, null=True, verbose_name="capacity, litres"
                    ),
                ),
                (
                    "water",
                    ledger.models.fields.TotalVolumeField(
                        decimal_places=3, max_digits=18, null=True, verbose_name="water, litres"
                    ),
                ),
                (
                    "temperature",
                    ledger.models.fields.TemperatureField(
                        decimal_places=1,
                        max_digits=5,
                        null=True,
                        verbose_name="temperature, Celsius",
                    ),
                ),
                ("status", models.CharField(max_length=16, null=True, verbose_name="gauge status")),
                ("alarms", models.JSONField(default=list, verbose_name="alarms the gauge reports")),
                (
                    "site",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="tank_states",
                        to="ledger.site",
                    ),
                ),
            ],
            options={
                "db_table": "tank_state",
            },
        ),
        migrations.CreateModel(
            name="Totalizer",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "site_id",
                        "fiscal_day",
                        "fuelling_point",
                        "nozzle",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("fiscal_day", models.DateField(verbose_name="fiscal day")),
                ("fuelling_point", models.SmallIntegerField(verbose_name="fuelling point")),
                ("nozzle", models.SmallIntegerField(verbose_name="nozzle")),
                ("product", models.CharField(max_length=32, verbose_name="product")),
                (
                    "opening",
                    ledger.models.fields.TotalVolumeField(
                        decimal_places=3, max_digits=18, null=True, verbose_name="opening, litres"
                    ),
                ),
                (
                    "closing",
                    ledger.models.fields.TotalVolumeField(
                        decimal_places=3, max_digits=18, null=True, verbose_name="closing, litres"
                    ),
                ),
                (
                    "site",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="ledger.site",
                    ),
                ),
            ],
            options={
                "db_table": "totalizer",
            },
        ),
        migrations.CreateModel(
            name="Quarantine",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("first_received_at", models.DateTimeField(verbose_name="first received at")),
                ("last_received_at", models.DateTimeField(verbose_name="last received at")),
                ("seen", models.IntegerField(db_default=1, verbose_name="times seen")),
                ("topic", models.TextField(verbose_name="topic")),
                (
                    "reason",
                    models.CharField(
                        choices=[
                            ("malformed", "Malformed"),
                            ("invalid", "Invalid value"),
                            ("conflicting_duplicate", "Conflicts with the ledger"),
                            ("day_sealed", "The day is sealed"),
                            ("unknown_site", "Unknown site"),
                            ("unknown_topic", "Unknown topic"),
                            ("oversize", "Too large"),
                        ],
                        max_length=24,
                        verbose_name="reason",
                    ),
                ),
                ("detail", models.TextField(verbose_name="exact reason")),
                ("item_index", models.IntegerField(null=True, verbose_name="place in the array")),
                ("fiscal_day", models.DateField(null=True, verbose_name="fiscal day")),
                ("sequence", models.IntegerField(null=True, verbose_name="sequence")),
                ("raw", models.BinaryField(verbose_name="bytes as received")),
                ("raw_size", models.IntegerField(verbose_name="size as received, bytes")),
                ("digest", models.BinaryField(max_length=32)),
                (
                    "outcome",
                    models.CharField(
                        choices=[
                            ("waiting", "Waiting"),
                            ("released", "Released"),
                            ("dismissed", "Dismissed"),
                        ],
                        db_default="waiting",
                        max_length=12,
                        verbose_name="outcome",
                    ),
                ),
                (
                    "site",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="quarantined",
                        to="ledger.site",
                    ),
                ),
            ],
            options={
                "db_table": "quarantine",
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("outcome", "waiting")),
                        fields=("digest",),
                        name="quarantine_waiting_once",
                    )
                ],
            },
        ),
    ]
