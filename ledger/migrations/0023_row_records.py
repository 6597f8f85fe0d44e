# What rows of guarded tables were when they were written, for what no sum and no seal speaks of.

import django.core.serializers.json
import django.db.models.deletion
from django.db import migrations, models

from ledger.sql import run_sql


class Migration(migrations.Migration):
    dependencies = [
        ("ledger", "0022_signed_seals"),
    ]

    operations = [
        migrations.CreateModel(
            name="RowRecord",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "table_name",
                        "key",
                        "number",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("table_name", models.CharField(max_length=63, verbose_name="table")),
                ("key", models.CharField(max_length=250, verbose_name="key")),
                ("number", models.IntegerField(verbose_name="number")),
                ("fiscal_day", models.DateField(null=True, verbose_name="fiscal day")),
                ("recorded_at", models.DateTimeField(verbose_name="recorded at")),
                (
                    "content",
                    models.JSONField(
                        encoder=django.core.serializers.json.DjangoJSONEncoder,
                        null=True,
                        verbose_name="as it was written",
                    ),
                ),
                ("digest", models.BinaryField(max_length=32)),
                (
                    "site",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="ledger.site",
                    ),
                ),
            ],
            options={
                "db_table": "row_record",
                "indexes": [models.Index(fields=["site", "fiscal_day"], name="row_record_of_site")],
            },
        ),
        run_sql("row_records"),
    ]
