from django.db import migrations, models
from django.db.models import Q


def put_back(apps, schema_editor):
    """A ticket that was reopened while nobody followed it stood in no queue: it is to be taken again."""
    Ticket = apps.get_model("support", "Ticket")
    Ticket.objects.filter(status="open", assignee=None).update(status="new")


class Migration(migrations.Migration):
    dependencies = [("support", "0005_ticket_words")]

    operations = [
        migrations.RunPython(put_back, migrations.RunPython.noop, elidable=True),
        migrations.AddConstraint(
            model_name="ticket",
            constraint=models.CheckConstraint(
                condition=Q(("status", "open"), _negated=True) | Q(("assignee__isnull", False)),
                name="ticket_open_is_taken",
                violation_error_message="Une demande en cours est suivie par quelqu’un.",
            ),
        ),
    ]
