from typing import Any

from django.db import migrations

from migration import school_years, texts


def fill(apps: Any, schema_editor: Any) -> None:
    school_years.install(apps.get_model("migration", "AvoidedPeriod"))
    texts.install(apps.get_model("migration", "MailText"))


class Migration(migrations.Migration):
    dependencies = [("migration", "0002_steering")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
