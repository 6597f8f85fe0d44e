from pathlib import Path

import django.utils.timezone
from django.db import migrations, models

from ledger.sql import run_sql

_WHEN_IT_BEGAN = Path(__file__).parent.parent / "sql" / "when_it_began.sql"


class Migration(migrations.Migration):
    dependencies = [
        ("ledger", "0016_plausible_days"),
    ]

    operations = [
        migrations.AddField(
            model_name="alarm",
            name="received_at",
            field=models.DateTimeField(
                default=django.utils.timezone.now, verbose_name="received at"
            ),
        ),
        migrations.AddField(
            model_name="sitestatus",
            name="received_at",
            field=models.DateTimeField(null=True, verbose_name="status received at"),
        ),
        migrations.AddField(
            model_name="tankstate",
            name="low_since",
            field=models.DateTimeField(null=True, verbose_name="below the low mark since"),
        ),
        migrations.AddField(
            model_name="fiscalday",
            name="gap_since",
            field=models.DateTimeField(null=True, verbose_name="known to be incomplete since"),
        ),
        migrations.RunSQL(
            _WHEN_IT_BEGAN.read_text(encoding="utf-8"), reverse_sql=migrations.RunSQL.noop
        ),
        run_sql("newest_wins"),
        run_sql("gap_since"),
    ]
