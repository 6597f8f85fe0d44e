# From which fiscal day on a site's days are plausible.

import datetime

import django.core.validators
import django.db.models.expressions
import django.db.models.functions.comparison
import django.db.models.functions.datetime
from django.db import migrations, models

import ledger.plausible
from ledger.sql import statement


class Migration(migrations.Migration):
    dependencies = [
        ("ledger", "0015_silent_points"),
    ]

    operations = [
        migrations.AddField(
            model_name="site",
            name="first_fiscal_day",
            field=models.DateField(
                db_default=django.db.models.functions.comparison.Cast(
                    django.db.models.expressions.CombinedExpression(
                        django.db.models.functions.datetime.Now(),
                        "-",
                        models.Value(datetime.timedelta(days=400)),
                    ),
                    models.DateField(),
                ),
                default=ledger.plausible.first_day_default,
                validators=[django.core.validators.MinValueValidator(datetime.date(1990, 1, 2))],
                verbose_name="first fiscal day",
            ),
        ),
        migrations.RunSQL(statement("first_fiscal_days"), migrations.RunSQL.noop),
        migrations.AlterField(
            model_name="quarantine",
            name="reason",
            field=models.CharField(
                choices=[
                    ("malformed", "Malformed"),
                    ("invalid", "Invalid value"),
                    ("conflicting_duplicate", "Conflicts with the ledger"),
                    ("day_sealed", "The day is sealed"),
                    ("implausible_day", "A day that cannot be"),
                    ("unknown_site", "Unknown site"),
                    ("unknown_topic", "Unknown topic"),
                    ("oversize", "Too large"),
                ],
                max_length=24,
                verbose_name="reason",
            ),
        ),
        migrations.AlterField(
            model_name="quarantinedecision",
            name="action",
            field=models.CharField(
                choices=[
                    ("replay", "Replayed"),
                    ("mend", "Mended and replayed"),
                    ("admit", "Day accepted and replayed"),
                    ("accept", "Accepted"),
                    ("refuse", "Refused"),
                    ("dismiss", "Dismissed"),
                ],
                max_length=8,
                verbose_name="action",
            ),
        ),
    ]
