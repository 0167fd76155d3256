"""The holder's pages."""

from django.urls import path

from support.views import holder

urlpatterns = [
    path("", holder.home, name="home"),
    path("ma-boite/etat/", holder.mailbox_status, name="mailbox_status"),
]
