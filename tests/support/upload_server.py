"""For gunicorn: the page of `upload_site`, without what needs a database."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bma_portal.settings.test")

import django
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler

django.setup()
settings.ROOT_URLCONF = "tests.support.upload_site"
settings.MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]
application = WSGIHandler()
