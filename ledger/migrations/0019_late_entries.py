from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("ledger", "0018_when_things_began"),
    ]

    operations = [
        migrations.AddField(
            model_name="pulse",
            name="late",
            field=models.IntegerField(db_default=0, verbose_name="late entries"),
        ),
        migrations.AddField(
            model_name="pulse",
            name="late_lag_ms_p50",
            field=models.FloatField(null=True),
        ),
        migrations.AddField(
            model_name="pulse",
            name="late_lag_ms_p99",
            field=models.FloatField(null=True),
        ),
    ]
