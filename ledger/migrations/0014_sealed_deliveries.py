from pathlib import Path

from django.db import migrations, models

from ledger.sql import run_sql

_SEAL_OLD = Path(__file__).parent.parent / "sql" / "seal_old_deliveries.sql"


class Migration(migrations.Migration):
    dependencies = [
        ("ledger", "0013_site_limits_in_the_database"),
    ]

    operations = [
        migrations.AddField(
            model_name="delivery",
            name="fiscal_day",
            field=models.DateField(null=True, verbose_name="sealed fiscal day that it counts for"),
        ),
        migrations.RunSQL(
            _SEAL_OLD.read_text(encoding="utf-8"), reverse_sql=migrations.RunSQL.noop
        ),
        run_sql("delivery_guard"),
        run_sql("site_guard"),
    ]
