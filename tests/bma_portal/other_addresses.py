"""Addresses of a portal that is arranged otherwise, for one test."""

from django.http import HttpResponse
from django.urls import path

urlpatterns = [path("ailleurs/", lambda request: HttpResponse(), name="home")]
