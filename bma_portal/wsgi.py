import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.wsgi import get_wsgi_application

from bma_portal.embedded import ensure_environment

NOT_LOADABLE = 4  # gunicorn's status for an application that does not load: it stops, rather than try for ever

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bma_portal.settings.development")
ensure_environment()
try:
    application = get_wsgi_application()
except ImproperlyConfigured as error:
    sys.stderr.write(f"Configuration incorrecte : {error}\n")
    sys.exit(NOT_LOADABLE)
