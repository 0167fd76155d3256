from django.contrib import admin
from django.urls import include, path

from bma_portal import notices, views

handler400 = "bma_portal.views.bad_request"
handler403 = "bma_portal.views.forbidden"
handler429 = "bma_portal.views.slow_down"  # allauth's limits
handler404 = "bma_portal.views.not_found"
handler500 = "bma_portal.views.server_error"

urlpatterns = [
    path("", include("support.urls")),
    path("", include("accounts.urls")),
    path("vie-privee/", notices.privacy, name="privacy"),
    path("accessibilite/", notices.accessibility, name="accessibility"),
    path("sante/", views.health, name="health"),
    path("admin/", admin.site.urls),
]
