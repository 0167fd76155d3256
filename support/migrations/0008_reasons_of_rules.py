from datetime import timedelta
from typing import Any

from django.db import migrations

from bma_portal import clock
from support import rules

REASONS = {
    "Par le formulaire MODE : {mode}, et {situation}.": "Le formulaire MODE est le bon : {mode}, et {situation}.",
    "Par le formulaire hors MODE : {mode}.": "Le formulaire hors MODE est le bon : {mode}.",
    "Transmis {destinataire}, qui répond des soucis techniques : {situation}.": (
        "Transmis {destinataire}, qui répond des soucis techniques."
    ),
    "Transmis {destinataire}, qui répond de la procédure et des dates : {situation}.": (
        "Transmis {destinataire}, qui répond de la procédure et des dates."
    ),
    "Transmis {destinataire}, avec la copie du procès-verbal ; le matériel volé n’est pas remplacé.": (
        "Transmis {destinataire}, à qui il faut la copie du procès-verbal ; le matériel volé n’est pas remplacé."
    ),
}
WHY = "Version 0.6.0 : la raison ne parle que de la question posée, et ne dit pas jointe une copie qui ne l’est pas"


def reword(apps: Any, schema_editor: Any) -> None:
    tomorrow = clock.brussels_date(clock.now()) + timedelta(days=1)
    rules.reword(apps.get_model("support", "RoutingRule"), REASONS, why=WHY, since=tomorrow)


class Migration(migrations.Migration):
    dependencies = [("bma_portal", "0001_initial"), ("support", "0007_ticket_recall")]

    operations = [migrations.RunPython(reword, migrations.RunPython.noop)]
