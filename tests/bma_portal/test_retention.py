"""Each thing has a stated life, and what the nightly run must end, it ends: once, on its day, and nothing else."""

from datetime import UTC, date, datetime, timedelta

import pytest
from allauth.usersessions.models import UserSession
from django.apps import apps
from django.conf import settings
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.db import connection
from django.utils import timezone

from accounts.models import User
from bma_portal import clock, retention, tasks
from bma_portal.clock import brussels
from bma_portal.mail.compose import outgoing
from bma_portal.mail.models import Attachment, OutgoingMail, Sender
from bma_portal.models import AuditEntry, ReplayClock
from bma_portal.notices import ACCESSIBILITY_ON
from tests.factories import UserFactory
from tests.factories_holders import GrantRequestFactory
from tests.support.pages import Page

AT = brussels(date(2026, 10, 15), 3)


def our_models() -> set[str]:
    return {model._meta.label_lower for model in apps.get_models(include_auto_created=True)}


def test_every_model_has_a_rule_and_every_rule_a_model():
    labels = [label for rule in retention.RULES for label in rule.models]
    assert len(labels) == len(set(labels))
    assert our_models() - set(labels) == set(), "dites dans bma_portal/retention.py combien de temps cela se garde"
    assert set(labels) - our_models() == set()


def test_every_rule_says_something():
    for rule in retention.RULES:
        assert rule.what, rule
        assert rule.life, rule
        assert rule.ended_by, rule
        if rule.purge:
            assert retention.NIGHTLY in rule.ended_by, rule
        else:
            assert retention.NIGHTLY not in rule.ended_by, rule


def test_the_nightly_run_is_rung():
    assert {"bma_portal.apply_retention", "bma_portal.forget_old_counts"} <= {
        entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()
    }


@pytest.mark.django_db
class TestTheNight:
    def test_with_nothing_over_it_ends_nothing_and_says_so(self):
        assert set(retention.apply(at=AT).values()) == {0}

    def test_the_audit_is_left_alone(self):
        assert not any(rule.purge for rule in retention.RULES if "bma_portal.auditentry" in rule.models)
        before = AuditEntry.objects.count()
        retention.apply(at=AT + timedelta(days=20_000))
        assert AuditEntry.objects.count() == before

    def test_a_session_that_is_over_goes_and_another_stays(self):
        real = timezone.now()  # sessions follow the real time
        for key, end in (("finie", real - timedelta(minutes=1)), ("ouverte", real + timedelta(hours=1))):
            Session.objects.create(session_key=key, session_data="", expire_date=end)
        assert retention.apply(at=AT)["sessions.session"] == 1
        assert list(Session.objects.values_list("pk", flat=True)) == ["ouverte"]
        assert retention.apply(at=AT)["sessions.session"] == 0

    def test_where_a_dead_session_came_from_goes_with_it(self):
        long_ago = timezone.now() - timedelta(hours=2)
        Session.objects.create(session_key="ouverte", session_data="", expire_date=timezone.now() + timedelta(hours=1))
        for key in ("morte", "ouverte"):
            row = UserSession.objects.create(
                user=UserFactory(), session_key=key, ip="192.0.2.1", user_agent="x", data={}
            )
            UserSession.objects.filter(pk=row.pk).update(last_seen_at=long_ago)
        assert retention.apply(at=AT)["sessions.session"] == 1
        assert list(UserSession.objects.values_list("session_key", flat=True)) == ["ouverte"]

    def test_what_the_cache_remembers_too_long_goes(self):
        cache.set("reste", 1, 600)
        cache.set("part", 1, 600)
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE bma_portal_cache SET expires = clock_timestamp() - interval '1 s' WHERE cache_key LIKE '%part'"
            )
        assert retention.apply(at=AT)["cache"] == 1
        assert cache.get("reste") == 1

    def test_a_replay_that_nobody_renewed_goes(self):
        ReplayClock.objects.create(at=AT, expires_at=datetime(2020, 1, 1, tzinfo=UTC))
        assert retention.apply(at=AT)["bma_portal.replayclock"] == 1
        clock.set_for_every_process(AT)
        assert retention.apply(at=AT)["bma_portal.replayclock"] == 0

    @pytest.mark.parametrize(
        ("days", "left"), [(retention.MAIL_TEXT_DAYS, True), (retention.MAIL_TEXT_DAYS + 1, False)]
    )
    @pytest.mark.parametrize("status", ["sent", "failed", "cancelled"])
    def test_the_text_of_a_mail_goes_after_two_years_and_its_line_stays(self, days, left, status):
        moment = AT - timedelta(days=days)
        facts = {"sent_at": moment, "proof": "answer"} if status == "sent" else {}
        mail = self.mail(queued_at=moment, status=status, **facts)
        Attachment.objects.create(mail=mail, name="a.txt", mimetype="text/plain", content=b"x")
        assert retention.apply(at=AT)["mail.outgoingmail"] == (0 if left else 1)
        mail.refresh_from_db()
        assert (mail.text, mail.html) == (("Bonjour", "<p>Bonjour</p>") if left else ("", ""))
        assert mail.subject == "Objet"
        assert mail.attachments.exists() is left
        assert retention.apply(at=AT)["mail.outgoingmail"] == 0

    def test_a_mail_that_still_waits_keeps_its_text_however_old(self):
        mail = self.mail(queued_at=AT - timedelta(days=5000), status="queued")
        retention.apply(at=AT)
        mail.refresh_from_db()
        assert mail.text == "Bonjour"

    def mail(self, **facts) -> OutgoingMail:
        mail = outgoing(
            key=f"essai:{OutgoingMail.objects.count()}", kind="plain", sender=Sender.SGNE, to=["a@exemple.test"],
            subject="Objet", text="Bonjour", html="<p>Bonjour</p>", **facts,
        )  # fmt: skip
        mail.save()
        return mail

    @pytest.mark.parametrize(("days", "gone"), [(retention.STAFF_LOG_DAYS, 0), (retention.STAFF_LOG_DAYS + 1, 1)])
    def test_the_staff_s_history_goes_after_three_years(self, days, gone):
        LogEntry.objects.create(
            user=UserFactory(), content_type=ContentType.objects.get_for_model(User), object_id="1",
            object_repr="x", action_flag=CHANGE, action_time=AT - timedelta(days=days),
        )  # fmt: skip
        assert retention.apply(at=AT)["admin.logentry"] == gone

    @pytest.mark.parametrize(("days", "gone"), [(365, 0), (366, 1)])
    def test_the_words_of_a_permission_s_request_go_a_year_after_the_answer(self, days, gone):
        asked = GrantRequestFactory(status="declined", decided_at=AT - timedelta(days=days), decided_by=UserFactory())
        waiting = GrantRequestFactory(asked_at=AT - timedelta(days=5000))
        assert retention.apply(at=AT)["accounts.grantrequest"] == gone
        asked.refresh_from_db()
        waiting.refresh_from_db()
        assert bool(asked.message) is not bool(gone)
        assert waiting.message

    def test_the_task_does_it_and_reports_each_count(self, caplog):
        caplog.set_level("INFO")
        tasks.apply_retention()
        told = {record.objet: record.nombre for record in caplog.records if record.message == "conservation"}
        assert set(told) == {rule.models[0] if rule.models else "cache" for rule in retention.RULES if rule.purge}


@pytest.mark.django_db
class TestTheNotices:
    def test_the_privacy_notice_says_what_the_law_asks(self, client):
        page = Page(client.get("/vie-privee/"))
        page.assert_sound()
        for words in (
            "Ministère de la Fédération Wallonie-Bruxelles",
            "mission d’intérêt public",
            "doivent encore être confirmées par le délégué à la protection des données",
            "Vos droits",
            "Autorité de protection des données",
            "contact@apd-gba.be",
            "numéro national",
        ):
            assert words in page.text, words

    def test_its_table_is_that_of_the_code(self, client):
        text = Page(client.get("/vie-privee/")).text
        for rule in retention.RULES:
            words = " ".join(rule.what.replace("\N{NO-BREAK SPACE}", " ").split())
            assert words in text, words

    def test_the_accessibility_statement_says_what_the_decision_asks(self, client):
        page = Page(client.get("/accessibilite/"))
        page.assert_sound()
        for words in ("partiellement conforme", "EN 301 549", "Ce qui n’est pas encore accessible", "Recours"):
            assert words in page.text, words
        assert "Médiateur de la Wallonie et de la Fédération Wallonie-Bruxelles" in page.text
        assert "migrationBMA@cfwb.be" in page.text

    def test_the_statement_is_less_than_a_year_old(self):
        """When this fails: assess again, then move the date."""
        assert timezone.now().date() - ACCESSIBILITY_ON < timedelta(days=365)
