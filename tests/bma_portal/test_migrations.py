"""Migrations on PostgreSQL: none missing; forward, back and forward again, with data in the tables (SEC-L4)."""

import contextlib
import os
import re
import secrets
import sys

import psycopg2
import pytest
from django.core.management import call_command

from tests.bma_portal.production import run

pytestmark = pytest.mark.database

WALK = """
import django
django.setup()
from django.core.management import call_command
from django.db import connection
from django.db.migrations.loader import MigrationLoader

OURS = ["support", "migration", "mail", "accounts", "bma_portal"]  # those above first

def fill():
    from tests.factories import UserFactory
    from tests.factories_migration import MoveFactory
    UserFactory()
    for trait in ("announced", "credentials_sent", "confirmed", "migrated"):
        MoveFactory(**{trait: True})

def migrate(*target):
    call_command("migrate", *target, verbosity=0, interactive=False)

migrate()
fill()
loader = MigrationLoader(connection)
for app in OURS:
    names = sorted(name for label, name in loader.disk_migrations if label == app)
    for name in names[-2::-1]:  # each step back but the last, the rows in place; then all of them forward
        migrate(app, name)
    if len(names) > 1:
        migrate()
for app in OURS:
    if app in loader.migrated_apps:
        migrate(app, "zero")
with connection.cursor() as cursor:
    cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    left = {name for (name,) in cursor.fetchall() if name.startswith(tuple(f"{app}_" for app in OURS))}
assert not left, left
migrate()
fill()
print("bon")
"""


def test_none_is_missing(db):
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


def test_they_go_forward_and_back_and_forward_with_data_in_place():
    given = os.environ["DATABASE_URL"]
    name = f"migrations_{secrets.token_hex(4)}"
    with contextlib.closing(psycopg2.connect(given)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {name}")
            try:
                url = re.sub(r"/\w+(?=\?|$)", f"/{name}", given, count=1)
                done = run(sys.executable, "-c", WALK, environ=os.environ | {"DATABASE_URL": url}, timeout=240)
            finally:
                cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")
    assert (done.returncode, done.stdout) == (0, "bon\n"), done.stderr
