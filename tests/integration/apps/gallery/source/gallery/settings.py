"""Settings; what differs between environments comes from variables and from a secret file."""

import os
from pathlib import Path

SECRET_KEY = Path("/run/secrets/django_key").read_text().strip()
ALLOWED_HOSTS = ["gallery.example", "127.0.0.1"]
INSTALLED_APPS = [
    "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions",
    "photos", "chores",
]  # fmt: skip
MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]
ROOT_URLCONF = "gallery.urls"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": "db", "NAME": "gallery", "USER": "gallery",
        "PASSWORD": os.environ["DB_PASSWORD"],
    }
}  # fmt: skip
MEDIA_ROOT = "/media"
USE_TZ = True
