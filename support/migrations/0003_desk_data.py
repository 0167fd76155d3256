from typing import Any

from django.db import migrations

from support import rules, teams


def fill(apps: Any, schema_editor: Any) -> None:
    rules.install(apps.get_model("support", "RoutingRule"))
    teams.install(apps.get_model("support", "Team"), apps.get_model("support", "CannedAnswer"))


class Migration(migrations.Migration):
    dependencies = [("support", "0002_desk")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
