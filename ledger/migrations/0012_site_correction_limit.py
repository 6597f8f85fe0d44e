# Above this amount a correction takes a second person: four eyes, by site.

from django.db import migrations

import ledger.models.fields


class Migration(migrations.Migration):
    dependencies = [
        ("ledger", "0011_quarantine_decisions"),
    ]

    operations = [
        migrations.AddField(
            model_name="site",
            name="correction_limit",
            field=ledger.models.fields.MoneyField(
                blank=True,
                decimal_places=2,
                max_digits=12,
                null=True,
                verbose_name="a correction beyond this amount takes a second person",
            ),
        ),
    ]
