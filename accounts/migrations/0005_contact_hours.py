"""The hours of the Service Desk, as times that can be reckoned with (S0 §7: Monday to Friday, 8 to 17)."""

from datetime import time

from django.db import migrations

OPENS, CLOSES = time(8), time(17)


def add(apps, schema_editor):
    """Only where the words are still those of the documents: what staff wrote since is theirs."""
    contact = apps.get_model("accounts", "Contact")
    known = contact.objects.filter(team="etnic", source="S0 §7", hours__contains="de 8 h à 17 h", opens_at=None)
    known.update(opens_at=OPENS, closes_at=CLOSES)


def remove(apps, schema_editor):
    contact = apps.get_model("accounts", "Contact")
    contact.objects.filter(team="etnic", source="S0 §7", opens_at=OPENS, closes_at=CLOSES).update(
        opens_at=None, closes_at=None
    )


class Migration(migrations.Migration):
    dependencies = [("accounts", "0004_mode_perimeter")]

    operations = [migrations.RunPython(add, remove)]
