"""Upload, look, and what monitoring asks for."""

import hashlib
import os

from chores.models import Chore
from django.conf import settings
from django.core.files.base import ContentFile
from django.http import JsonResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.csrf import csrf_exempt

from photos.models import Photo


def health(request):
    return JsonResponse({"photos": Photo.objects.count(), "release": os.environ["TOWLINE_VERSION"]})


def key(request):
    """Which secret is in force, without telling it."""
    return JsonResponse({"key": hashlib.sha256(settings.SECRET_KEY.encode()).hexdigest()})


@csrf_exempt
def photo(request, name):
    if request.method == "PUT":
        made = Photo(name=name)
        made.file.save(name, ContentFile(request.body))
        Chore.objects.create(photo=name)
    found = get_object_or_404(Photo, name=name)
    return JsonResponse({"size": found.file.size, "digest": found.digest})
