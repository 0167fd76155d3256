from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('mail', '0001_initial'),
    ]

    operations = [
        migrations.AddField(
            model_name='outgoingmail',
            name='request_id',
            field=models.CharField(blank=True, db_default='', default='', editable=False, max_length=64, verbose_name='requête'),
        ),
    ]
