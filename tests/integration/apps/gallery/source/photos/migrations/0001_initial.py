"""The first schema."""

from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    operations = [
        migrations.CreateModel(
            "Photo",
            [
                ("id", models.BigAutoField(primary_key=True)),
                ("name", models.CharField(max_length=80, unique=True)),
                ("file", models.FileField(upload_to="photos")),
                ("digest", models.CharField(max_length=64, blank=True)),
            ],
        )
    ]
