# A broker may forget what it keeps for a worker; the sites are then asked for what came since.

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("ledger", "0020_adoption_keys"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AlterField(
            model_name="command",
            name="kind",
            field=models.CharField(
                choices=[
                    ("resend", "Send entries again"),
                    ("resend_since", "Send all since a day again"),
                    ("seal", "Keep the seal of a day"),
                ],
                max_length=16,
                verbose_name="kind",
            ),
        ),
        migrations.AlterField(
            model_name="command",
            name="requested_by",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="ingestworker",
            name="connected_at",
            field=models.DateTimeField(null=True, verbose_name="last connected to the broker at"),
        ),
        migrations.AddField(
            model_name="ingestworker",
            name="session_lost_at",
            field=models.DateTimeField(
                null=True, verbose_name="found its session lost at the broker at"
            ),
        ),
        migrations.AddField(
            model_name="ingestworker",
            name="session_lost_since",
            field=models.DateTimeField(
                null=True, verbose_name="what came since may not have arrived"
            ),
        ),
        migrations.AddField(
            model_name="ingestworker",
            name="sites_asked",
            field=models.IntegerField(null=True, verbose_name="sites asked to send it again"),
        ),
    ]
