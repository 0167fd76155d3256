"""A holder's tickets: asking, following, an opinion."""

from django.urls import path

from support.views import tickets

urlpatterns = [
    path("nouvelle/", tickets.ask, name="ticket_new"),
    path("recue/", tickets.done, name="ticket_done"),
    path("suivi/", tickets.follow, name="ticket_follow"),
    path("suivi/code/", tickets.code, name="ticket_follow_code"),
    path("suivi/<str:reference>/", tickets.followed, name="ticket_followed"),
    path("avis/<str:token>/", tickets.opinion, name="ticket_opinion"),
]
