"""Who may do what on the staff's side: roles, as groups that each `migrate` puts back as they are written here.

SGNE drives the batches and says who is titulaire or GIA, ETNIC records the nights and executes resets, each acts on
the mails that leave in its own name only (S4: mails 1 and 3 are SGNE's, 2 and 4 ETNIC's). « Vérification » opens
proofs of identity, « Exécution » executes what another verified. Priminfo and Enseignement.be have the desk and
nothing else, each its own tickets (F1). An auditor reads, the audit included, and alone
reads it. A superuser is the glass to break: nobody works as one.
"""

from typing import Any

from django.apps import apps as global_apps
from django.apps.registry import Apps
from django.contrib.auth.management import create_permissions
from django.db import transaction

SGNE, ETNIC, AUDITOR = "SGNE", "ETNIC", "Auditeur"
VERIFIER, EXECUTOR = "Vérification", "Exécution"
PRIMINFO, ENSEIGNEMENT_BE = "Priminfo", "Enseignement.be"

# Deeds that are not « add, change, delete, view »: (app, model) → codename → what it allows.
DEEDS: dict[tuple[str, str], dict[str, str]] = {
    ("migration", "campaign"): {"plan_campaign": "Planifier une campagne et accepter un plan"},
    ("migration", "batch"): {"decide_batch": "Approuver, suspendre, ouvrir à tous ou annuler un lot"},
    ("migration", "move"): {
        "record_cutover": "Enregistrer les contrôles et les résultats d’une nuit",
        "steer_move": "Suspendre, reporter, reprendre ou remettre une boîte",
    },
    ("mail", "outgoingmail"): {
        "act_for_sgne": "Renvoyer les courriels du SGNE, reprendre son envoi",
        "act_for_etnic": "Renvoyer les courriels de l’ETNIC, reprendre son envoi",
    },
    ("accounts", "credential"): {"set_password_by_hand": "Poser un mot de passe à la main dans l’annuaire"},
    ("support", "passwordreset"): {
        "verify_passwordreset": "Vérifier une demande de mot de passe et sa preuve",
        "execute_passwordreset": "Exécuter une demande de mot de passe vérifiée par un autre",
    },
    ("support", "ticket"): {
        "work_sgne": "Travailler au bureau du SGNE",
        "work_etnic": "Travailler au bureau de l’ETNIC",
        "work_priminfo": "Travailler au bureau de Priminfo",
        "work_enseignement_be": "Travailler au bureau d’Enseignement.be",
    },
}
_CAMPAIGN_VIEWS = {
    "migration": {
        "view_campaign",
        "view_batch",
        "view_move",
        "view_mailing",
        "view_mailtext",
        "view_mailboxnote",
        "view_avoidedperiod",
        "view_plandecision",
    },
    "mail": {"view_outgoingmail", "view_senderstate"},
    "bma_portal": {"view_statechange"},
    "accounts": {
        "view_organisation",
        "view_site",
        "view_siteplacement",
        "view_mailbox",
        "view_contact",
        "view_registerimport",
        "view_organisationchange",
        "view_modeperiod",
        "view_holder",
        "view_gia",
        "view_resetgrant",
        "view_grantrequest",
    },
    "support": {"view_passwordreset", "view_team", "view_article", "view_banner"},
}
_BANNERS = {"add_banner", "change_banner"}
_MODE_WRITES = {
    f"{verb}_{model}" for verb in ("add", "change") for model in ("modeperiod", "holder", "gia", "resetgrant")
}
# role → app → codenames
ROLES: dict[str, dict[str, set[str]]] = {
    SGNE: {
        "migration": _CAMPAIGN_VIEWS["migration"]
        | {"add_campaign", "change_campaign", "plan_campaign", "decide_batch", "steer_move"}
        | {"add_avoidedperiod", "change_avoidedperiod", "delete_avoidedperiod", "add_mailboxnote"},
        "mail": _CAMPAIGN_VIEWS["mail"] | {"act_for_sgne"},
        "bma_portal": _CAMPAIGN_VIEWS["bma_portal"],
        "accounts": _CAMPAIGN_VIEWS["accounts"]
        | {"add_organisation", "change_organisation", "add_contact", "change_contact", *_MODE_WRITES},
        "support": _CAMPAIGN_VIEWS["support"] | {"work_sgne", "change_team", *_BANNERS},
    },
    ETNIC: {
        "migration": _CAMPAIGN_VIEWS["migration"] | {"record_cutover", "add_mailboxnote"},
        "mail": _CAMPAIGN_VIEWS["mail"] | {"act_for_etnic"},
        "bma_portal": _CAMPAIGN_VIEWS["bma_portal"],
        "accounts": _CAMPAIGN_VIEWS["accounts"] | {"change_mailbox", "set_password_by_hand"},
        "support": _CAMPAIGN_VIEWS["support"] | {"execute_passwordreset", "work_etnic", *_BANNERS},
    },
    PRIMINFO: {"support": {"work_priminfo"}},
    ENSEIGNEMENT_BE: {"support": {"work_enseignement_be"}},
    VERIFIER: {
        "accounts": {"view_organisation", "view_mailbox"},
        "support": {"view_passwordreset", "verify_passwordreset"},
    },
    EXECUTOR: {
        "accounts": {"view_organisation", "view_mailbox"},
        "support": {"view_passwordreset", "execute_passwordreset"},
    },
    AUDITOR: _CAMPAIGN_VIEWS | {"bma_portal": _CAMPAIGN_VIEWS["bma_portal"] | {"view_auditentry"}},
}


def install(app_config: Any, *, apps: Apps = global_apps, using: str = "default", **_: Any) -> None:
    """After an app is migrated: its deeds exist, and each role has in that app what is written above, no more.

    Idempotent. Silent while the tables of django.contrib.auth are not there yet.
    """
    label = app_config.label
    if not any(label in wanted for wanted in ROLES.values()):
        return
    try:
        group_model = apps.get_model("auth", "Group")
        permission_model = apps.get_model("auth", "Permission")
        content_type_model = apps.get_model("contenttypes", "ContentType")
    except LookupError:
        return
    create_permissions(app_config, verbosity=0, interactive=False, using=using, apps=apps)
    with transaction.atomic(using=using):
        for (app, model), deeds in DEEDS.items():
            kind = content_type_model.objects.using(using).filter(app_label=app, model=model).first()
            if app != label or kind is None:
                continue
            for codename, name in deeds.items():
                permission_model.objects.using(using).update_or_create(
                    content_type=kind, codename=codename, defaults={"name": name}
                )
        of_app = permission_model.objects.using(using).filter(content_type__app_label=label)
        for role, wanted in ROLES.items():
            group, _new = group_model.objects.using(using).get_or_create(name=role)
            has = set(group.permissions.filter(content_type__app_label=label).values_list("pk", flat=True))
            should = set(of_app.filter(codename__in=wanted.get(label, set())).values_list("pk", flat=True))
            group.permissions.remove(*has - should)
            group.permissions.add(*should - has)
