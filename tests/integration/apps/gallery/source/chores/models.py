"""What the worker has to do."""

from django.db import models


class Chore(models.Model):
    photo = models.CharField(max_length=80)
    done = models.BooleanField(default=False)
