"""Signing in, and MODE: what belongs to persons."""

from django.urls import URLPattern, URLResolver

urlpatterns: list[URLPattern | URLResolver] = []
