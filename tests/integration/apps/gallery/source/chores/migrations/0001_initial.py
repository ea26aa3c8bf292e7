"""The first schema."""

from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    operations = [
        migrations.CreateModel(
            "Chore",
            [
                ("id", models.BigAutoField(primary_key=True)),
                ("photo", models.CharField(max_length=80)),
                ("done", models.BooleanField(default=False)),
            ],
        )
    ]
