"""The desk of the four teams."""

from django.urls import path

from support.views import rules
from support.views.desk import (
    bulk,
    canned,
    deeds,
    figures,
    files,
    incidents,
    lists,
    new_ticket,
    quarantine,
    saved,
    ticket,
)

urlpatterns = [
    path("", lists.queue, name="desk"),
    path("nouvelle/", new_ticket.write, name="desk_new"),
    path("demande/<str:reference>/", ticket.sheet, name="desk_ticket"),
    path("demande/<str:reference>/historique/", ticket.history, name="desk_history"),
    path("demande/<str:reference>/nouveau/", ticket.news, name="desk_news"),
    path("demande/<str:reference>/message/<int:pk>/", ticket.message, name="desk_message"),
    path("demande/<str:reference>/<slug:deed>/", deeds.do, name="desk_deed"),
    path("piece/<uuid:piece>/", files.piece, name="desk_piece"),
    path("piece/<uuid:piece>/<int:number>/", files.page, name="desk_piece_page"),
    path("liste/", lists.fresh, name="desk_list"),
    path("raccourcis/", lists.keys, name="desk_keys"),
    path("vues/", saved.views, name="desk_views"),
    path("vues/<slug:slug>/", saved.view, name="desk_view"),
    path("vues/<slug:slug>/changer/", saved.change, name="desk_view_change"),
    path("ensemble/", bulk.together, name="desk_bulk"),
    path("incidents/", incidents.incidents, name="desk_incidents"),
    path("incidents/<int:pk>/", incidents.incident, name="desk_incident"),
    path("reponses/", canned.answers, name="desk_canned"),
    path("reponses/nouvelle/", canned.write, name="desk_canned_new"),
    path("reponses/<int:pk>/", canned.write, name="desk_canned_edit"),
    path("quarantaine/", quarantine.waiting, name="desk_quarantine"),
    path("quarantaine/<int:pk>/", quarantine.mail, name="desk_quarantine_mail"),
    path("regles/", rules.rules_page, name="desk_rules"),
    path("regles/essai/", rules.what_if, name="desk_rules_what_if"),
    path("regles/<int:pk>/modifier/", rules.modify, name="desk_rule_change"),
    path("chiffres/", figures.figures, name="desk_figures"),
    path("export/", figures.export, name="desk_export"),
]
