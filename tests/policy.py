"""Who may open each address of the portal (SEC-B6): one table, read by `test_policy.py` and by people.

An address that is not in the table fails the tests, and so does a line whose address is gone. « To open » is to reach
the view: what it answers then (a page, a form with errors, a redirect elsewhere) is its own tests' matter.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from django.urls import get_resolver
from django.urls.resolvers import URLResolver

# Roles
ANONYMOUS = "visiteur"
WEAK = "superutilisateur à la session faible"  # worth nothing: the session is ended
PLAIN = "personne sans droit"
HOLDER = "titulaire sans permission"
GRANTED = "titulaire avec permission"
GIA = "GIA"
PO = "représentante du PO"
SGNE, ETNIC, AUDITOR, VERIFIER, EXECUTOR = "SGNE", "ETNIC", "Auditeur", "Vérification", "Exécution"
PRIMINFO, ENSEIGNEMENT_BE = "Priminfo", "Enseignement.be"  # the desk, each its own tickets; nothing of the admin
GLASS = "compte de secours"  # a superuser, with its second factor

NOBODY: frozenset[str] = frozenset()
HOLDERS = frozenset({HOLDER, GRANTED, GIA, PO})
GROUPS = frozenset({SGNE, ETNIC, AUDITOR, VERIFIER, EXECUTOR})
DESK_ONLY = frozenset({PRIMINFO, ENSEIGNEMENT_BE})
STAFF = GROUPS | {GLASS}
SIGNED_IN = STAFF | DESK_ONLY | HOLDERS | {PLAIN}
OUTSIDE = frozenset({ANONYMOUS, WEAK})
EVERYONE = SIGNED_IN | OUTSIDE
DESK = frozenset({SGNE, ETNIC, PRIMINFO, ENSEIGNEMENT_BE, GLASS})  # the teams' own pages
ETNICS_DESK = frozenset({ETNIC, GLASS})  # what is of ETNIC's desk
CAMPAIGN = frozenset({SGNE, ETNIC, AUDITOR, GLASS})  # whoever reads the campaign


@dataclass(frozen=True)
class Policy:
    """Who gets in by GET, who by POST. `refusals`: statuses that this address answers to people it let in."""

    get: frozenset[str]
    post: frozenset[str]
    refusals: frozenset[int] = frozenset()


def to(who: frozenset[str], post: frozenset[str] | None = None, *refusals: int) -> Policy:
    return Policy(who, who if post is None else post, frozenset(refusals))


PAGES: dict[str, Policy] = {
    # Anyone
    "home": to(EVERYONE),
    "mailbox_status": to(EVERYONE),
    "privacy": to(EVERYONE),
    "accessibility": to(EVERYONE),
    "health": to(EVERYONE),
    "password_door": to(EVERYONE),
    "assistant": to(EVERYONE),
    "assistant_step": to(EVERYONE),
    "^eforms/portal/rest/start/smail2_mode/?$": to(EVERYONE),
    "^eforms/portal/rest/start/smail2_hors_mode/?$": to(EVERYONE),
    "reset_hors_mode": to(EVERYONE),
    "reset_hors_mode_check": to(EVERYONE),
    "reset_hors_mode_code": to(EVERYONE),
    "reset_hors_mode_done": to(EVERYONE),
    "reset_pick_up": to(EVERYONE),
    "reset_stop": to(EVERYONE),
    "ticket_new": to(EVERYONE),
    "ticket_done": to(EVERYONE),
    "ticket_follow": to(EVERYONE),
    "ticket_follow_code": to(EVERYONE),
    "ticket_followed": to(EVERYONE),  # leads to the code whoever may not read it
    "ticket_opinion": to(EVERYONE),
    "sign_in": to(EVERYONE, None, 503),  # Cerbère, in these tests, does not answer
    "cerbere_callback": to(EVERYONE, None, 403),  # what comes back without having left is refused
    "signed_out": to(EVERYONE),
    "session_state": to(EVERYONE),
    "sign_out": to(EVERYONE),
    "account_login": to(EVERYONE),
    "mfa_authenticate": to(EVERYONE),
    "aide": to(EVERYONE),
    "aide_suggestions": to(EVERYONE),
    "aide_article": to(EVERYONE),
    "aide_vote": to(EVERYONE),
    "authenticity": to(EVERYONE),
    # Whoever reads the campaign
    "time_machine": to(CAMPAIGN),
    "contradictions": to(CAMPAIGN),
    # Signed in; what the page holds is the person's own
    "my_mailboxes": to(SIGNED_IN),
    "open_sessions": to(SIGNED_IN),
    "reset_mode": to(SIGNED_IN),
    "mode_grants": to(SIGNED_IN),
    "mode_ask": to(SIGNED_IN),
    # Own objects: someone else's answers like one that does not exist
    "my_mail": to(HOLDERS),
    "reset_mode_check": to(frozenset({GRANTED, PO})),
    "reset_request": to(frozenset({GRANTED})),
    "mode_withdraw": to(frozenset({HOLDER})),
    "mode_unit": to(frozenset({GIA})),
    "mode_grant": to(frozenset({GIA})),
    "mode_decide": to(frozenset({GIA})),
    "mode_revoke": to(frozenset({GIA})),
    # The desk
    "desk": to(DESK),
    "desk_new": to(DESK),
    "desk_ticket": to(ETNICS_DESK),  # a ticket of ETNIC's
    "desk_history": to(ETNICS_DESK),
    "desk_news": to(ETNICS_DESK),
    "desk_message": to(ETNICS_DESK),
    "desk_deed": to(ETNICS_DESK),
    "desk_piece": to(ETNICS_DESK),
    "desk_piece_page": to(ETNICS_DESK),
    "desk_list": to(DESK),
    "desk_keys": to(DESK),
    "desk_views": to(DESK),
    "desk_view": to(ETNICS_DESK),
    "desk_view_change": to(frozenset({ETNIC})),  # its owner
    "desk_bulk": to(DESK),
    "desk_incidents": to(DESK),
    "desk_incident": to(ETNICS_DESK),
    "desk_canned": to(DESK),
    "desk_canned_new": to(DESK),
    "desk_canned_edit": to(ETNICS_DESK),
    "desk_figures": to(DESK),
    "desk_export": to(DESK),
    "desk_quarantine": to(DESK),
    "desk_quarantine_mail": to(ETNICS_DESK),  # what came to its inbox
    "desk_rules": to(DESK),
    "desk_rules_what_if": to(DESK),
    "desk_rule_change": to(frozenset({SGNE, GLASS})),
    # The accounts of last resort
    "mfa_activate_totp": to(frozenset({GLASS})),
    "mfa_view_recovery_codes": to(frozenset({GLASS}), None, 404),  # 404 too before the second factor
    "mfa_generate_recovery_codes": to(frozenset({GLASS})),
    # The staff's side
    "admin:index": to(STAFF),
    "admin:login": to(OUTSIDE),  # leads to /connexion/; there is nothing in it for someone who is signed in
    "admin:logout": to(SIGNED_IN),
    "admin:jsi18n": to(STAFF),
    "admin:app_list": to(STAFF),
    "admin:autocomplete": to(STAFF),
    "admin:view_on_site": to(NOBODY),
    "admin:password_change": to(STAFF),  # leads to the index whoever has no password here
    "admin:password_change_done": to(STAFF),
    "admin:(?P<url>.*)$": to(NOBODY),  # what Django's admin answers to any other address
    "admin:auth_user_password_change": to(frozenset({GLASS})),
    "admin:bma_portal_auditentry_verify": to(frozenset({AUDITOR, GLASS})),
    "admin:migration_mailtext_write": to(frozenset({SGNE, GLASS})),  # of mail 1: ETNIC writes 2 and 4
    "admin:migration_mailtext_rewrite": to(frozenset({SGNE, GLASS})),
    "admin:migration_mailtext_decide": to(frozenset({SGNE, GLASS})),
    "admin:migration_mailtext_frame": to(CAMPAIGN, NOBODY),
    "admin:dashboard": to(CAMPAIGN),  # leads to the latest campaign's
    "admin:migration_campaign_dashboard": to(CAMPAIGN),
    "admin:accounts_mailbox_evidence_csv": to(CAMPAIGN),
    "admin:accounts_mailbox_evidence_xlsx": to(CAMPAIGN),
    "admin:migration_batch_decide": to(frozenset({SGNE, GLASS})),
    "admin:migration_batch_steer": to(frozenset({SGNE, GLASS})),
    "admin:migration_batch_resend": to(frozenset({SGNE, GLASS})),  # a mail 1; ETNIC its own mails
    "admin:migration_batch_rehearsal": to(CAMPAIGN),
    "admin:migration_batch_evaluation": to(frozenset({SGNE, GLASS})),
    "admin:migration_campaign_plan": to(CAMPAIGN, frozenset({SGNE, GLASS})),
    "admin:migration_campaign_import": to(frozenset({SGNE, GLASS})),
    "admin:migration_campaign_pilot": to(frozenset({SGNE, GLASS})),
    "admin:migration_move_record_cutover": to(frozenset({ETNIC, GLASS})),
    "admin:migration_batch_preflight": to(CAMPAIGN),
    "admin:migration_batch_preflight_file": to(frozenset({ETNIC, GLASS})),
    "admin:accounts_mailbox_mail": to(CAMPAIGN),
    "admin:accounts_mailbox_note": to(frozenset({SGNE, ETNIC, GLASS})),
    "admin:migration_move_closing": to(CAMPAIGN),
    "admin:migration_move_deed": to(frozenset({SGNE, ETNIC, GLASS})),  # to put back; SGNE alone accepts what is left
    "admin:support_article_diff": to(CAMPAIGN),
    "admin:support_passwordreset_deed": to(frozenset({VERIFIER, GLASS})),
    "admin:support_passwordreset_proof": to(frozenset({VERIFIER})),  # in charge of that request
    "admin:support_passwordreset_page": to(frozenset({VERIFIER})),
}

# The admin's pages of each model: who views, adds, changes, deletes.
View, Add, Change, Delete = frozenset[str], frozenset[str], frozenset[str], frozenset[str]
ONLY_GLASS = frozenset({GLASS})
WRITES_MODE = frozenset({SGNE, GLASS})
MODELS: dict[str, tuple[View, Add, Change, Delete]] = {
    "auth_group": (ONLY_GLASS, ONLY_GLASS, ONLY_GLASS, ONLY_GLASS),
    "accounts_user": (ONLY_GLASS, ONLY_GLASS, ONLY_GLASS, NOBODY),  # disabled, never deleted
    "bma_portal_auditentry": (frozenset({AUDITOR, GLASS}), NOBODY, NOBODY, NOBODY),
    "bma_portal_statechange": (CAMPAIGN, NOBODY, NOBODY, NOBODY),
    "mail_outgoingmail": (CAMPAIGN, NOBODY, NOBODY, NOBODY),
    "mail_senderstate": (CAMPAIGN, NOBODY, NOBODY, NOBODY),
    "accounts_organisation": (STAFF, frozenset({SGNE, GLASS}), frozenset({SGNE, GLASS}), NOBODY),
    "accounts_site": (CAMPAIGN, NOBODY, NOBODY, NOBODY),
    "accounts_registerimport": (CAMPAIGN, NOBODY, NOBODY, NOBODY),
    "accounts_organisationchange": (CAMPAIGN, NOBODY, NOBODY, NOBODY),
    "accounts_contact": (CAMPAIGN, frozenset({SGNE, GLASS}), frozenset({SGNE, GLASS}), ONLY_GLASS),
    "accounts_modeperiod": (CAMPAIGN, WRITES_MODE, WRITES_MODE, NOBODY),
    "accounts_holder": (CAMPAIGN, WRITES_MODE, WRITES_MODE, NOBODY),
    "accounts_gia": (CAMPAIGN, WRITES_MODE, WRITES_MODE, NOBODY),
    "accounts_resetgrant": (CAMPAIGN, WRITES_MODE, WRITES_MODE, NOBODY),
    "accounts_grantrequest": (CAMPAIGN, NOBODY, NOBODY, NOBODY),
    "accounts_credential": (NOBODY, NOBODY, NOBODY, NOBODY),  # but for BY_HAND, below
    "accounts_mailbox": (STAFF, NOBODY, frozenset({ETNIC, GLASS}), NOBODY),
    "migration_campaign": (CAMPAIGN, frozenset({SGNE, GLASS}), frozenset({SGNE, GLASS}), NOBODY),
    "migration_avoidedperiod": (CAMPAIGN, *[frozenset({SGNE, GLASS})] * 3),
    "migration_batch": (CAMPAIGN, NOBODY, NOBODY, NOBODY),
    "migration_mailtext": (CAMPAIGN, NOBODY, NOBODY, NOBODY),
    "migration_mailing": (CAMPAIGN, NOBODY, NOBODY, NOBODY),
    "migration_move": (CAMPAIGN, NOBODY, NOBODY, NOBODY),
    "support_article": (CAMPAIGN, NOBODY, NOBODY, NOBODY),
    "support_passwordreset": (STAFF, NOBODY, NOBODY, NOBODY),
    "support_team": (CAMPAIGN, NOBODY, frozenset({SGNE, GLASS}), NOBODY),
    "support_banner": (CAMPAIGN, frozenset({SGNE, ETNIC, GLASS}), frozenset({SGNE, ETNIC, GLASS}), NOBODY),
}

# Where agents set the passwords themselves (DIRECTORY=manual), who sees those that wait.
BY_HAND = frozenset({ETNIC, GLASS})


def table() -> dict[str, Policy]:
    """By name, or by its pattern where an address has no name."""
    found = dict(PAGES)
    for model, (view, add, change, delete) in MODELS.items():
        found[f"admin:{model}_changelist"] = to(view)
        found[f"admin:{model}_export_csv"] = found[f"admin:{model}_export_xlsx"] = to(view)
        found[f"admin:{model}_history"] = to(view)
        found[f"admin:{model}_add"] = to(add)
        found[f"admin:{model}_change"] = to(view, change)
        found[f"admin:{model}_delete"] = to(delete)
    return found


def addresses() -> Iterator[tuple[str, str]]:
    """Every address of the URLconf: its name (or pattern), its route."""
    yield from _walk(get_resolver(), "", "")


def _walk(resolver: URLResolver, route: str, namespace: str) -> Iterator[tuple[str, str]]:
    for pattern in resolver.url_patterns:
        whole = route + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            inner = f"{pattern.namespace}:" if pattern.namespace else ""
            yield from _walk(pattern, whole, namespace + inner)
        elif pattern.name is None and str(pattern.pattern) == "<path:object_id>/":
            continue  # the admin's former address of an object: the same door, then its change page
        else:
            yield namespace + (pattern.name or str(pattern.pattern)), whole
