"""The list of the campaign's mails, in its order: any page of it, and those that wait for a decision."""

from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("migration", "0003_first_data")]

    operations = [
        migrations.AddIndex(
            model_name="mailing",
            index=models.Index(fields=["due_at", "id"], name="mailing_order"),
        ),
        migrations.AddIndex(
            model_name="mailing",
            index=models.Index(fields=["due_at", "id"], condition=Q(held_at__isnull=False), name="mailing_held"),
        ),
    ]
