from django.db import migrations, models


class Migration(migrations.Migration):
    """The index of the lists carries what they are narrowed by."""

    dependencies = [("support", "0003_desk_data")]

    operations = [
        migrations.RemoveIndex(model_name="ticket", name="ticket_recent"),
        migrations.AddIndex(
            model_name="ticket",
            index=models.Index(
                fields=["team", "-updated_at", "-id"],
                include=("status", "need", "priority", "phase"),
                name="ticket_recent",
            ),
        ),
    ]
