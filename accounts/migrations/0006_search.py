"""The lists and searches of the staff stay quick when the register is large: words by trigrams, and the order."""

import django.contrib.postgres.indexes
from django.db import migrations, models

from bma_portal.trigrams import SharedTrigrams


class Migration(migrations.Migration):
    dependencies = [("accounts", "0005_contact_hours")]

    operations = [
        SharedTrigrams(),
        migrations.AddIndex(
            model_name="organisation",
            index=models.Index(fields=["search_key", "kind", "fase"], name="organisation_order"),
        ),
        migrations.AddIndex(
            model_name="organisation",
            index=django.contrib.postgres.indexes.GinIndex(
                django.contrib.postgres.indexes.OpClass(models.F("search_key"), name="gin_trgm_ops"),
                name="organisation_words",
            ),
        ),
    ]
