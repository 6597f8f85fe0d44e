# Seals are signed, and the audit trail whose head they are signed with becomes a chain of its own.

import django.db.models.deletion
from django.db import migrations, models

from ledger.sql import run_sql


class Migration(migrations.Migration):
    dependencies = [
        ("ledger", "0021_lost_sessions"),
    ]

    operations = [
        migrations.AddField(
            model_name="dayseal",
            name="trail_number",
            field=models.BigIntegerField(null=True, verbose_name="events in the audit trail"),
        ),
        migrations.AddField(
            model_name="dayseal",
            name="trail_digest",
            field=models.BinaryField(max_length=32, null=True),
        ),
        migrations.AddField(
            model_name="dayseal",
            name="key_id",
            field=models.CharField(blank=True, db_default="", max_length=64, verbose_name="key"),
        ),
        migrations.AddField(
            model_name="dayseal",
            name="signature",
            field=models.BinaryField(max_length=64, null=True),
        ),
        migrations.AddConstraint(
            model_name="dayseal",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("key_id", ""),
                    ("signature", None),
                    ("trail_digest", None),
                    ("trail_number", None),
                )
                | models.Q(
                    ("signature__isnull", False),
                    ("trail_digest__isnull", False),
                    ("trail_number__gte", 0),
                ),
                name="day_seal_signature_whole",
            ),
        ),
        migrations.CreateModel(
            name="AuditLink",
            fields=[
                (
                    "number",
                    models.BigIntegerField(
                        primary_key=True, serialize=False, verbose_name="number"
                    ),
                ),
                ("event_digest", models.BinaryField(max_length=32)),
                ("digest", models.BinaryField(max_length=32)),
                (
                    "event",
                    models.OneToOneField(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="link",
                        to="ledger.auditevent",
                    ),
                ),
            ],
            options={
                "db_table": "audit_link",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("number__gte", 1)), name="audit_link_number"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="AuditUnlinked",
            fields=[
                (
                    "event",
                    models.OneToOneField(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to="ledger.auditevent",
                    ),
                ),
            ],
            options={
                "db_table": "audit_unlinked",
            },
        ),
        run_sql("audit_chain", "audit_line"),
    ]
