"""The MODE perimeter as the documents give it, type by type and date by date (K7, A4); staff keep it afterwards.

Before October 2024 no document speaks of it: a person decides, as for every type that none of them lists.
"""

from datetime import date

from django.db import migrations

MODE, OUT, PERSON = "mode", "hors_mode", "person"
AUTUMN_2024, SEPTEMBER_2025 = date(2024, 10, 1), date(2025, 9, 1)
S1, S3 = "FAQ d’octobre 2024, §6 (S1)", "Circulaire du 01/09/2025, §2.1 (S3)"
SILENT_2024 = "FAQ d’octobre 2024, §6 (S1) : ne cite pas ce type"
SILENT_2025 = "Circulaire du 01/09/2025, §2.1 (S3) : ne cite pas ce type"

# category, types as the register and the circulars write them (accents and capitals apart), then the answer of
# October 2024 and that of September 2025. An answer is ours where the document is silent.
CATEGORIES = [
    (
        "Enseignement fondamental et secondaire",
        [
            "Maternel ordinaire", "Primaire ordinaire", "Secondaire ordinaire", "Secondaire CEFA",
            "Secondaire en alternance (CEFA)", "Maternel spécialisé", "Primaire spécialisé", "Secondaire spécialisé",
            "Fondamental ordinaire", "Fondamental spécialisé",
        ],
        (MODE, S1), (MODE, S3),
    ),
    (
        "Centres PMS et Service PSE",
        ["CPMS", "Centre PMS", "Centres PMS", "Centre psycho-médico-social", "PSE", "Service PSE"],
        (OUT, S1), (MODE, S3),
    ),
    (
        "Enseignement secondaire artistique à horaire réduit (ESAHR)",
        ["Artistique à horaire réduit", "Secondaire artistique à horaire réduit", "ESAHR"],
        (OUT, S1), (MODE, S3),
    ),
    (
        "Internats",
        [
            "Internat", "Internats", "Internat primaire ordinaire", "Internats primaire ordinaire",
            "Internat secondaire ordinaire", "Internats secondaire ordinaire", "Internat prim. ou sec. spécialisé",
            "Internats prim. ou sec. spécialisé", "Internat supérieur", "Internats supérieur",
        ],
        (OUT, S1), (MODE, S3),
    ),
    ("Hautes Écoles", ["Haute École", "Hautes Écoles"], (OUT, S1), (MODE, S3)),
    (
        "Enseignement pour adultes (promotion sociale)",
        [
            "Enseignement secondaire pour Adultes", "Enseignement supérieur pour Adultes",
            "Enseignement pour Adultes en alternance", "Enseignement pour Adultes secondaire",
            "Enseignement pour Adultes secondaire en alternance", "Enseignement pour Adultes supérieur",
            "Enseignement pour Adultes", "Promotion sociale secondaire", "Promotion sociale supérieur",
            "Promotion sociale CEFA", "Promotion sociale",
        ],
        (PERSON, SILENT_2024), (MODE, S3),
    ),
    (
        "Centres de technologies avancées (CTA)",
        ["CTA", "Centre de Technologie Avancée", "Centre de technologies avancées",
         "Centres de Technologie Avancée (CTA)"],
        (OUT, S1), (OUT, S3),
    ),
    ("Universités", ["Université", "Universités"], (OUT, S1), (OUT, S3)),
    (
        "Écoles supérieures des Arts",
        ["École supérieure des Arts", "Écoles supérieures des Arts", "ESA"],
        (OUT, S1), (PERSON, SILENT_2025),
    ),
    (
        "Centres de dépaysement et de plein air (CDPA)",
        ["CDPA", "Centre de dépaysement", "Centre de dépaysement et de plein air",
         "Centres de dépaysement et de plein air (CDPA)"],
        (OUT, S1), (PERSON, SILENT_2025),
    ),
    (
        "Centres d’auto-formation (CAF)",
        ["CAF", "Centre d’Auto-Formation", "Centres d’Auto-Formation"],
        (OUT, S1), (PERSON, SILENT_2025),
    ),
    (
        "Homes d’accueil",
        ["Home d’accueil", "Homes d’accueil", "Home d’accueil permanent", "Homes d’accueil permanent"],
        (OUT, S1), (PERSON, SILENT_2025),
    ),
    (
        "Centres techniques",
        ["Centre technique", "Centres techniques"],
        (PERSON, SILENT_2024), (PERSON, SILENT_2025),
    ),
]


def periods():
    for category, unit_types, then, now in CATEGORIES:
        for (verdict, source), valid_from, valid_to in (
            (then, AUTUMN_2024, SEPTEMBER_2025),
            (now, SEPTEMBER_2025, None),
        ):
            yield {
                "category": category,
                "unit_types": unit_types,
                "verdict": verdict,
                "valid_from": valid_from,
                "valid_to": valid_to,
                "source": source,
                "ours": verdict == PERSON,
            }


def add(apps, schema_editor):
    period = apps.get_model("accounts", "ModePeriod")
    period.objects.bulk_create(period(**values) for values in periods())


def remove(apps, schema_editor):
    apps.get_model("accounts", "ModePeriod").objects.filter(
        category__in=[category for category, *_ in CATEGORIES], valid_from__in=[AUTUMN_2024, SEPTEMBER_2025]
    ).delete()


class Migration(migrations.Migration):
    dependencies = [("accounts", "0003_holders")]

    operations = [migrations.RunPython(add, remove)]
