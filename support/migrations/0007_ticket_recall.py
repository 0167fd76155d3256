from django.db import migrations, models


class Migration(migrations.Migration):
    """How the last answer of a ticket is taken back."""

    dependencies = [("support", "0006_open_is_taken")]

    operations = [
        migrations.AddField(
            model_name="ticket",
            name="recall",
            field=models.JSONField(blank=True, editable=False, null=True, verbose_name="réponse à rappeler"),
        ),
    ]
