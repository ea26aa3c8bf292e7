"""Uploads."""

from django.db import models


class Photo(models.Model):
    name = models.CharField(max_length=80, unique=True)
    file = models.FileField(upload_to="photos")
    digest = models.CharField(max_length=64, blank=True)
