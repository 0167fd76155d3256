"""`import_grants`: what it prints, what it writes, how it ends; the whole file or nothing."""

import json
import subprocess
import sys
from datetime import date, timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from accounts import mode, people
from accounts.models import Gia, Holder, ResetGrant, User
from bma_portal.models import AuditEntry
from tests.factories import OrganisationFactory
from tests.factories_holders import DAY, NOON, GiaFactory, ResetGrantFactory, SocialAccountFactory

pytestmark = pytest.mark.django_db
ROOT = Path(__file__).resolve().parents[2]
HEAD = "role;identifiant;nom;prenom;fase;debut;fin;accorde_par;source"
GIA = "gia;sujet-gia;Gia;Gaëlle;ec000247;2026-09-01;;;"
HOLDER = "titulaire;sujet-dir;Directrice;Dina;ec000247;2026-09-01;;;arrêté fictif"
GRANT = "permission;sujet-sec;Secrétaire;Sam;ec000247;2026-10-01;2027-08-31;sujet-gia;"


@pytest.fixture
def school():
    return OrganisationFactory(fase=247)


@pytest.fixture
def file(tmp_path):
    def write(*rows, head=HEAD, data=None):
        path = tmp_path / "mode.csv"
        path.write_bytes(data if data is not None else "\n".join([head, *rows]).encode())
        return path

    return write


def run(path, *options):
    out = StringIO()
    call_command("import_grants", str(path), "--at", NOON.isoformat(), *options, stdout=out)
    return out.getvalue()


def refused(path, *options):
    out = StringIO()
    with pytest.raises(CommandError) as refusal:
        call_command("import_grants", str(path), "--at", NOON.isoformat(), *options, stdout=out)
    return str(refusal.value), refusal.value.returncode, out.getvalue()


def rows():
    return [User.objects.count(), Gia.objects.count(), Holder.objects.count(), ResetGrant.objects.count()]


def test_it_is_dry_by_default(file, school):
    said = run(file(GIA, HOLDER, GRANT))
    assert "3 lignes : 1 permissions, 1 GIA et 1 titulaires à enregistrer, 0 déjà connus ; 3 personnes" in said
    assert "Essai à blanc" in said
    assert rows() == [0, 0, 0, 0]
    assert not AuditEntry.objects.exists()


def test_a_wet_run_records_in_any_order_and_a_second_one_changes_nothing(file, school):
    path = file(GRANT, HOLDER, GIA)  # the GIA who grants stands last
    assert "C’est fait." in run(path, "--wet-run", "--by", "Dominique")
    assert rows() == [3, 1, 1, 1]
    made = ResetGrant.objects.get()
    assert (made.user, made.granted_by) == (people.person_of("sujet-sec"), people.person_of("sujet-gia"))
    assert (made.starts_on, made.ends_on, made.recorded_by, made.source) == (
        date(2026, 10, 1),
        date(2027, 8, 31),
        "Dominique",
        "mode.csv",
    )
    assert mode.holder_of(school, NOON).source == "arrêté fictif"
    assert not made.user.has_usable_password()
    lines = list(AuditEntry.objects.order_by("seq").values_list("action", "result"))
    assert lines == [(action, "ok") for action in ("gia.made", "holder.changed", "grant.made")]
    assert all(actor.startswith("Dominique") for actor in AuditEntry.objects.values_list("actor", flat=True))
    before = [list(model.objects.order_by("pk").values()) for model in (User, Gia, Holder, ResetGrant, AuditEntry)]
    assert "Rien ne change." in run(path, "--wet-run")
    assert [
        list(model.objects.order_by("pk").values()) for model in (User, Gia, Holder, ResetGrant, AuditEntry)
    ] == before


def test_what_was_withdrawn_since_is_not_brought_back(file, school):
    path = file(GIA, GRANT)
    run(path, "--wet-run")
    mode.revoke(ResetGrant.objects.get(), by=people.person_of("sujet-gia"), why="Partie.", at=NOON)
    mode.end_gia(Gia.objects.get(), by="sgne", why="Fin.", at=NOON)
    assert "Rien ne change." in run(path, "--wet-run")
    assert not ResetGrant.objects.in_force(NOON).exists()


def test_holders_follow_one_another_in_time_wherever_they_stand(file, school):
    later = "titulaire;sujet-b;B;Béa;ec000247;2026-10-01;;;"
    path = file(later, HOLDER)
    run(path, "--wet-run")
    first, second = Holder.objects.order_by("starts_on")
    assert (first.ends_on, second.ends_on) == (date(2026, 9, 30), None)
    assert "Rien ne change." in run(path, "--wet-run")


def test_json_is_one_object_and_nothing_else(file, school):
    said = json.loads(run(file(GIA, HOLDER, GRANT), "--json", "--wet-run"))
    assert said == {
        "applied": True,
        "rows": 3,
        "permissions": 1,
        "gias": 1,
        "holders": 1,
        "people": 3,
        "already": 0,
        "errors": [],
    }
    message, status, printed = refused(file(GRANT, GIA + ";trop"), "--json", "--wet-run")
    said = json.loads(printed)
    assert (status, said["applied"], said["errors"][0]["line"]) == (1, False, 3)
    assert "1 lignes sont à corriger" in message


def test_a_french_spreadsheet_s_file_is_read(file, school):
    head = "Identifiant,Nom,Prenom,FASE,Debut,Fin"
    text = f"{head}\r\nsujet-x,X,Xavière,247,01/10/2026,31/08/2027\r\n,,,,,\r\n"
    run(file(data=text.encode("utf-8-sig")), "--wet-run")
    made = ResetGrant.objects.get()
    assert (made.starts_on, made.ends_on, made.granted_by) == (date(2026, 10, 1), date(2027, 8, 31), None)


def test_whoever_is_known_keeps_their_name_and_needs_none(file, school):
    known = SocialAccountFactory(uid="sujet-sec", user__first_name="Vrai").user
    run(file(GIA, "permission;sujet-sec;;;247;2026-10-01;2027-08-31;;"), "--wet-run")
    known.refresh_from_db()
    assert (known.first_name, ResetGrant.objects.get().user) == ("Vrai", known)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("autre;s;N;P;247;2026-10-01;2027-08-31;;", "rôle « autre »"),
        ("permission;;N;P;247;2026-10-01;2027-08-31;;", "Indiquez l’identifiant"),
        ("permission;a b;N;P;247;2026-10-01;2027-08-31;;", "n’est pas un identifiant"),
        ("permission;s;;;247;2026-10-01;2027-08-31;;", "donnez son nom"),
        ("permission;s;N;P;zéro;2026-10-01;2027-08-31;;", "n’est pas un numéro FASE"),
        ("permission;s;N;P;999999;2026-10-01;2027-08-31;;", "Aucune unité ne porte"),
        ("permission;s;N;P;555;2026-10-01;2027-08-31;;", "écrivez ec000555"),
        ("permission;s;N;P;666;2026-10-01;2027-08-31;;", "fermée ou reprise"),
        ("permission;s;N;P;247;hier;2027-08-31;;", "« hier » dans « debut »"),
        ("permission;s;N;P;247;2026-10-01;1027-08-31;;", "n’est pas une date"),
        ("permission;s;N;P;247;2026-10-01;;;", "une permission a une fin"),
        ("permission;s;N;P;247;2026-10-01;2026-09-30;;", "la fin suit le début"),
        ("permission;s;N;P;247;2026-10-01;2029-10-01;;", "dure 3 ans au plus"),
        ("permission;s;N;P;247;2025-10-01;2026-10-14;;", "déjà arrivée à sa fin"),
        ("permission;s;N;P;247;2026-10-01;2027-08-31;s;", "à soi-même"),
        ("permission;s;N;P;247;2026-10-01;2027-08-31;inconnu;", "n’est pas GIA de cette unité"),
        ("permission;s;N;P;247;2026-10-01;2027-08-31;autre-gia;", "n’est pas GIA de cette unité"),
        ("permission;s;N;P;247;2026-08-31;2027-08-31;sujet-gia;", "n’est pas GIA de cette unité"),
        ("permission;deja;N;P;247;2026-11-01;2027-01-01;;", "déjà cette permission"),
        ("gia;s;N;P;247;2026-10-01;;sujet-gia;", "ne vaut que pour une permission"),
        ("gia;sujet-gia;N;P;247;2026-10-01;;;", "déjà GIA"),
        ("titulaire;s;N;P;247;2026-10-16;;;", "le jour où il a lieu"),
        ("titulaire;s;N;P;247;2026-09-01;2026-10-01;;", "n’a pas de fin"),
        ("permission;s;N\u200b;P;247;2026-10-01;2027-08-31;;", "signe invisible"),
        ("permission;s;N;P;247;2026-10-01;2027-08-31;;;", "10 cellules"),
    ],
)
def test_one_line_at_fault_is_named_and_nothing_at_all_is_saved(file, school, row, said):
    OrganisationFactory(fase=555)
    OrganisationFactory(fase=555, po_unit=True)
    OrganisationFactory(fase=666, closed_on=DAY)
    ResetGrantFactory(user=SocialAccountFactory(uid="deja").user, organisation=school)
    GiaFactory(user=SocialAccountFactory(uid="autre-gia").user)
    before = rows()
    message, status, printed = refused(file(GIA, HOLDER, row), "--wet-run")
    assert "ligne 4 : " in printed
    assert said in printed
    assert (message, status) == ("1 lignes sont à corriger : rien n’est enregistré.", 1)
    assert rows() == before
    line = AuditEntry.objects.get()
    assert (line.action, line.result, line.details) == ("grant.imported", "refused", {"rows": 3, "errors": 1})
    assert said in refused(file(GIA, HOLDER, row))[2]  # the trial says the same, and writes no line
    assert AuditEntry.objects.count() == 1


def test_every_fault_is_told_at_once(file, school):
    printed = refused(file("x;s;N;P;247;2026-10-01;;;", GIA, "gia;t;N;P;999;2026-10-01;;;"))[2]
    assert "ligne 2 : rôle" in printed
    assert "ligne 4 : Aucune unité" in printed


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "Il manque la colonne"),
        (b"identifiant;fase;debut\n", "aucune ligne"),
        (b"identifiant;fase;debut;mot_de_passe\n", "Colonne inconnue : « mot_de_passe »"),
        (b"identifiant;fase;debut;fase\n", "deux fois"),
        (b"identifiant;fase\n", "Il manque la colonne « debut »"),
        (b"\xff\xfe", "UTF-8"),
        (b'identifiant;fase;debut\n"a;b\n', "CSV lisible"),
    ],
)
def test_a_file_at_fault_ends_with_one_french_sentence(file, data, said):
    message, status, printed = refused(file(data=data))
    assert said in message
    assert (status, printed) == (1, "")


def test_a_po_s_gia_grants_for_its_establishments(file, school):
    school.po = OrganisationFactory(po_unit=True, fase=900)
    school.save()
    run(file("gia;sujet-gia;G;G;po000900;2026-09-01;;;", GRANT), "--wet-run")
    assert ResetGrant.objects.get().granted_by == people.person_of("sujet-gia")


def test_a_change_of_holder_in_a_file_ends_the_former_s_rights(file, school):
    run(file(HOLDER, "permission;sujet-dir;;;247;2026-09-01;2027-08-31;;"), "--wet-run")
    run(file(f"titulaire;sujet-b;B;Béa;247;{DAY - timedelta(days=1)};;;"), "--wet-run")
    assert ResetGrant.objects.get().revoked_why == "changement de titulaire"
    assert Holder.objects.order_by("starts_on").first().ends_on == DAY - timedelta(days=2)


def test_a_large_file_is_applied_in_reasonable_time(file):
    import time

    for n in range(1, 301):
        OrganisationFactory(fase=n)
    path = file(*[f"permission;s{n};N;P;{n};2026-10-01;2027-08-31;;" for n in range(1, 301)])
    started = time.monotonic()
    run(path, "--wet-run")
    assert ResetGrant.objects.count() == AuditEntry.objects.count() == 300
    assert time.monotonic() - started < 30


@pytest.mark.parametrize(
    ("arguments", "status"),
    [(["rien.csv"], 1), ([], 2), (["rien.csv", "--by", " "], 2), (["--inconnu", "rien.csv"], 2)],
)
def test_the_exit_status_tells_a_refusal_from_a_usage_error(arguments, status):
    done = subprocess.run(
        [sys.executable, "manage.py", "import_grants", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
