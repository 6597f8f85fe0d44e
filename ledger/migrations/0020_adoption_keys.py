from django.db import migrations, models


class Migration(migrations.Migration):
    """A key may be of several columns and of any type, so it is kept as its columns' texts."""

    dependencies = [
        ("ledger", "0019_late_entries"),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(
                    "ALTER TABLE adoption ALTER last_key TYPE jsonb USING "
                    "CASE WHEN last_key IS NOT NULL THEN jsonb_build_array(last_key::text) END",
                    "ALTER TABLE adoption ALTER last_key TYPE bigint "
                    "USING (last_key ->> 0)::bigint",
                )
            ],
            state_operations=[
                migrations.AlterField(
                    model_name="adoption",
                    name="last_key",
                    field=models.JSONField(
                        null=True, verbose_name="key of the last row, each column as text"
                    ),
                )
            ],
        ),
        migrations.AddField(
            model_name="adoption",
            name="mapping",
            field=models.JSONField(
                db_default={}, verbose_name="columns and constants that it was begun with"
            ),
        ),
    ]
