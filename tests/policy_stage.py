"""Who and what stands behind the table of `policy.py`: a person per role, what is theirs, an object of each kind."""

from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from django.contrib.auth.models import Group
from django.contrib.contenttypes.models import ContentType
from django.db import transaction

from accounts.models import Contact, OrganisationChange, RegisterImport, User
from bma_portal import audit, clock
from bma_portal.mail.models import OutgoingMail, SenderState
from bma_portal.models import AuditEntry
from bma_portal.states import StateChange
from migration.models import AvoidedPeriod, Mailing, MailText
from support import attachments, tokens
from support.models import Article, ArticleVersion, Banner, ProofFile, RoutingRule, Team
from support.proofs import Prepared
from tests import policy
from tests.factories import OrganisationFactory, SiteFactory, UserFactory
from tests.factories_holders import (
    DAY,
    NOON,
    CredentialFactory,
    GiaFactory,
    GrantRequestFactory,
    HolderFactory,
    ModePeriodFactory,
    PasswordResetFactory,
    ResetGrantFactory,
)
from tests.factories_migration import BatchFactory, MoveFactory
from tests.factories_tickets import (
    CannedAnswerFactory,
    IncidentFactory,
    IncomingMailFactory,
    MessageFactory,
    SavedViewFactory,
    TicketFactory,
)
from tests.policy import (
    ANONYMOUS,
    DESK_ONLY,
    ETNIC,
    EVERYONE,
    GIA,
    GLASS,
    GRANTED,
    GROUPS,
    HOLDER,
    PLAIN,
    PO,
    VERIFIER,
    WEAK,
)

ARTICLE = {"title": "Essai", "topic": "usage", "audience": ["po"], "review_on": DAY, "owner": "etnic", "search": ""}


@dataclass
class Stage:
    """One person per role; by address, what stands in its route: theirs if they have one, else someone's."""

    people: dict[str, User] = field(default_factory=dict)
    own: dict[tuple[str, str], dict] = field(default_factory=dict)
    any_: dict[str, dict] = field(default_factory=dict)

    def arguments(self, name: str, role: str) -> dict:
        return self.own.get((name, role)) or self.any_.get(name, {})


def set_stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    monkeypatch.setattr("support.proofs.open_pages", lambda proof: [b"image"])
    clock.set_for_every_process(NOON)
    stage = Stage()
    for role in EVERYONE - {ANONYMOUS, WEAK, GLASS} - GROUPS:
        stage.people[role] = UserFactory(username=role)
    for role in GROUPS:
        stage.people[role] = UserFactory(username=role, staff=True)
    for role in GROUPS | DESK_ONLY:
        stage.people[role].groups.add(Group.objects.get(name=role))
    stage.people[WEAK] = UserFactory(username=WEAK, superuser=True)
    stage.people[GLASS] = UserFactory(username=GLASS, superuser=True, break_glass=True)
    _units(stage)
    _admin_objects(stage)
    _desk_objects(stage)
    return stage


def _desk_objects(stage: Stage) -> None:
    """What stands on ETNIC's desk."""
    message = MessageFactory(html="<p>Bonjour</p>")
    ticket = {"reference": message.ticket.reference}
    stage.any_["desk_ticket"] = stage.any_["desk_history"] = stage.any_["desk_news"] = ticket
    stage.any_["desk_message"], stage.any_["desk_deed"] = ticket | {"pk": message.pk}, ticket | {"deed": "prendre"}
    file = attachments.attach(message, Prepared([b"image"]), label="Pièce jointe 1", personal=False, at=NOON)
    stage.any_["desk_piece"], stage.any_["desk_piece_page"] = {"piece": file.uuid}, {"piece": file.uuid, "number": 1}
    stage.any_["desk_incident"] = {"pk": IncidentFactory().pk}
    stage.any_["desk_quarantine_mail"] = {"pk": IncomingMailFactory().pk}
    stage.any_["desk_canned_edit"] = {"pk": CannedAnswerFactory().pk}
    view = SavedViewFactory(owner=stage.people[ETNIC], shared=True)
    stage.any_["desk_view"] = stage.any_["desk_view_change"] = {"slug": view.slug}


def _units(stage: Stage) -> None:
    """A PO and its representative; four schools of four persons, all migrated."""
    po = OrganisationFactory(po_unit=True, mailbox=True)
    foreign = MoveFactory(migrated=True, mailbox__organisation__po_unit=True)
    for role in (HOLDER, GRANTED, GIA, PO):
        unit = po if role == PO else OrganisationFactory(po=po, mailbox=True)
        move = MoveFactory(migrated=True, mailbox=unit.mailbox)
        person = stage.people[role]
        if role == GIA:
            GiaFactory(user=person, organisation=unit)
            stage.own["mode_unit", role] = stage.own["mode_grant", role] = {"numero": unit.mailbox.address[:8]}
            stage.own["mode_revoke", role] = {"pk": ResetGrantFactory(organisation=unit).pk}
            stage.own["mode_decide", role] = {"pk": GrantRequestFactory(organisation=unit).pk}
        else:
            HolderFactory(user=person, organisation=unit)
        if role in {GRANTED, PO}:
            grant = ResetGrantFactory(user=person, organisation=unit)
            stage.own["reset_mode_check", role] = {"numero": unit.mailbox.address[:8]}
        if role == GRANTED:
            reset = PasswordResetFactory(
                mode=True, ready=True, path="mode", mailbox=unit.mailbox, requester=person, grant=grant
            )
            stage.own["reset_request", role] = {"public": reset.public}
        if role == HOLDER:
            stage.own["mode_withdraw", role] = {"pk": GrantRequestFactory(user=person).pk}
        stage.own["my_mail", role] = {"mail": move.mailings.get(step=1).mail.uuid}
    stage.any_["my_mail"] = {"mail": foreign.mailings.get(step=1).mail.uuid}
    stage.any_["reset_mode_check"] = {"numero": foreign.mailbox.address[:8]}
    stage.any_["mode_unit"] = stage.any_["mode_grant"] = {"numero": foreign.mailbox.address[:8]}
    stage.any_["mode_revoke"] = {"pk": ResetGrantFactory(organisation=foreign.mailbox.organisation).pk}
    asked = GrantRequestFactory(organisation=foreign.mailbox.organisation)
    stage.any_["mode_decide"] = stage.any_["mode_withdraw"] = {"pk": asked.pk}
    stage.any_["reset_request"] = {"public": PasswordResetFactory(mode=True, ready=True, path="mode").public}
    stage.any_["reset_pick_up"] = stage.any_["reset_stop"] = {"token": "inconnu"}
    ticket = TicketFactory()
    stage.any_["ticket_followed"] = {"reference": ticket.reference}
    stage.any_["ticket_opinion"] = {"token": tokens.opinion_token(ticket).reveal()}


def _admin_objects(stage: Stage) -> None:
    """One object of each kind that the admin shows, and the arguments of its other pages."""
    unit, person = OrganisationFactory(mailbox=True), stage.people[PLAIN]
    reset = PasswordResetFactory(received=True, taken_by=stage.people[VERIFIER], taken_at=NOON)
    ProofFile.objects.create(reset=reset, received_at=NOON, pages=1, key="x", content=b"x")
    batch = MoveFactory(batch__status="draft").batch
    sent = MoveFactory(announced=True).mailings.select_related("move").get(step=1)
    with transaction.atomic():
        audit.record("sheet.viewed", about=unit, at=NOON, by=person)
    source = RegisterImport.objects.create(date=DAY, imported_at=NOON, sha256="0" * 64)
    article = Article.objects.get_or_create(slug="politique", defaults=ARTICLE)[0]
    ArticleVersion.objects.create(
        article=article, number=1, title="Essai", summary="Essai", body="Essai", loaded_at=NOON
    )
    stage.any_["assistant_step"] = {"steps": "mails"}
    stage.any_["aide_article"] = stage.any_["aide_vote"] = {"slug": article.slug}
    objects = {
        "auth_group": Group.objects.first(),
        "accounts_user": person,
        "bma_portal_auditentry": AuditEntry.objects.first(),
        "bma_portal_statechange": StateChange.objects.create(
            object_type="migration.batch", object_id=batch.pk, old="draft", new="approved", by="sgne", at=NOON
        ),
        "mail_outgoingmail": OutgoingMail.objects.first(),
        "mail_senderstate": SenderState.objects.get_or_create(sender="sgne")[0],
        "accounts_organisation": unit,
        "accounts_site": SiteFactory(),
        "accounts_registerimport": source,
        "accounts_organisationchange": OrganisationChange.objects.create(
            organisation=unit, field="name", old="a", new="b", at=NOON
        ),
        "accounts_contact": Contact.objects.first(),
        "accounts_mailbox": unit.mailbox,
        "accounts_credential": CredentialFactory(mailbox=unit.mailbox),
        "accounts_modeperiod": ModePeriodFactory(),
        "accounts_holder": HolderFactory(),
        "accounts_gia": GiaFactory(),
        "accounts_resetgrant": ResetGrantFactory(),
        "accounts_grantrequest": GrantRequestFactory(),
        "migration_campaign": batch.campaign,
        "migration_avoidedperiod": AvoidedPeriod.objects.first(),
        "migration_batch": batch,
        "migration_mailing": Mailing.objects.first(),
        "migration_mailtext": MailText.objects.get(step=1, version=1),
        "migration_move": batch.moves.first(),
        "support_article": article,
        "support_banner": Banner.objects.create(text="Essai", starts_at=NOON, ends_at=NOON + timedelta(days=1)),
        "support_passwordreset": reset,
        "support_team": Team.objects.get(pk="etnic"),
    }
    first_text = objects["migration_mailtext"].pk
    for model in policy.MODELS:
        for page in ("history", "change", "delete"):
            stage.any_[f"admin:{model}_{page}"] = {"object_id": objects[model].pk}
    stage.any_ |= {
        "admin:auth_user_password_change": {"id": person.pk},
        "desk_rule_change": {"pk": RoutingRule.objects.filter(valid_to=None).latest("pk").pk},
        "admin:app_list": {"app_label": "accounts"},
        "admin:view_on_site": {"content_type_id": ContentType.objects.get_for_model(User).pk, "object_id": person.pk},
        "admin:(?P<url>.*)$": {"url": "rien"},
        "admin:migration_mailtext_write": {"step": 1},
        "admin:migration_mailtext_rewrite": {"pk": first_text},
        "admin:migration_mailtext_decide": {"pk": first_text, "name": "approuver"},
        "admin:migration_mailtext_frame": {"pk": first_text},
        "admin:migration_batch_decide": {"object_id": batch.pk, "name": "approuver"},
        "admin:migration_batch_steer": {"object_id": batch.pk, "move_id": batch.moves.first().pk, "name": "reporter"},
        "admin:migration_batch_resend": {
            "object_id": sent.move.batch_id,
            "move_id": sent.move_id,
            "mail_id": sent.mail_id,
        },
        "admin:migration_batch_rehearsal": {"object_id": batch.pk},
        "admin:migration_batch_evaluation": {"object_id": BatchFactory(campaign__slug="pilote", pilot=True).pk},
        "admin:accounts_mailbox_evidence_csv": {"object_id": unit.mailbox.pk},
        "admin:accounts_mailbox_evidence_xlsx": {"object_id": unit.mailbox.pk},
        "admin:migration_campaign_dashboard": {"object_id": batch.campaign_id},
        "admin:migration_campaign_plan": {"object_id": batch.campaign_id},
        "admin:migration_campaign_import": {"object_id": batch.campaign_id},
        "admin:migration_campaign_pilot": {"object_id": batch.campaign_id},
        "admin:migration_batch_preflight": {"object_id": batch.pk},
        "admin:migration_batch_preflight_file": {"object_id": batch.pk},
        "admin:accounts_mailbox_mail": {"object_id": sent.move.mailbox_id, "mailing": sent.pk},
        "admin:accounts_mailbox_note": {"object_id": unit.mailbox.pk},
        "admin:migration_move_deed": {"object_id": batch.moves.first().pk, "name": "remise"},
        "admin:support_article_diff": {"pk": article.pk, "number": 1},
        "admin:support_passwordreset_deed": {"pk": reset.pk, "name": "accepter"},
        "admin:support_passwordreset_proof": {"pk": reset.pk},
        "admin:support_passwordreset_page": {"pk": reset.pk, "number": 1},
    }
