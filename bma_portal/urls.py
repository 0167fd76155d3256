from django.contrib import admin
from django.urls import path

from bma_portal import views
from support.views import holder

handler400 = "bma_portal.views.bad_request"
handler403 = "bma_portal.views.forbidden"
handler404 = "bma_portal.views.not_found"
handler500 = "bma_portal.views.server_error"

urlpatterns = [
    path("", holder.home, name="home"),
    path("ma-boite/etat/", holder.mailbox_status, name="mailbox_status"),
    path("sante/", views.health, name="health"),
    path("admin/", admin.site.urls),
]
