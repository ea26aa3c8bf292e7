"""Addresses."""

from django.urls import path
from photos import views

urlpatterns = [
    path("health", views.health),
    path("key", views.key),
    path("photos/<str:name>", views.photo),
]
