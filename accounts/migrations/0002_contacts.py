"""The contacts as the documents give them; staff keep them up to date afterwards."""

from django.db import migrations

CONTACTS = [
    {
        "team": "sgne",
        "name": "SGNE, équipe « Migration BMA »",
        "email": "migrationBMA@cfwb.be",
        "phone": "+32 2 413 30 90",
        "source": "S3 ; S4",
    },
    {
        "team": "etnic",
        "name": "ETNIC, Service Desk",
        "email": "support@etnic.be",
        "phone": "+32 2 800 10 10",
        "hours": "Du lundi au vendredi de 8 h à 17 h, sauf les jours fériés",
        "source": "S0 §7",
    },
    {
        "team": "priminfo",
        "name": "Priminfo",
        "email": "sttd@priminfo.be",
        "phone": "+32 81 83 00 34",
        "source": "S3",
    },
    {
        "team": "enseignement_be",
        "name": "Service Enseignement.be",
        "email": "BMA@enseignement.be",
        "source": "S0 §7",
    },
]


def add(apps, schema_editor):
    contact = apps.get_model("accounts", "Contact")
    contact.objects.bulk_create(contact(**values) for values in CONTACTS)


def remove(apps, schema_editor):
    apps.get_model("accounts", "Contact").objects.filter(source__in={values["source"] for values in CONTACTS}).delete()


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_initial")]

    operations = [migrations.RunPython(add, remove)]
