"""The migration, and what a mailbox is for (E13)."""

from support.questions.ways import Choice, Door, Leaf, Question, Typed

MIGRATION = Question(
    title="Qu’aimeriez-vous savoir sur la migration ?",
    short="Migration",
    choices=(
        Choice(
            "vrai-mail",
            "Ce mail de la migration est-il un vrai ?",
            Leaf(
                title="Reconnaître un vrai mail de la migration",
                template="support/assistant/vrai-mail.html",
                articles=("reconnaitre-un-vrai-mail",),
                need="procedure",
                source="Circulaire du 30/09/2024 (S4) ; FAQ d’octobre 2024, §5 (S1)",
            ),
        ),
        Choice(
            "aucun-mail",
            "Je n’ai reçu aucun mail de la migration",
            Leaf(
                title="Aucun mail de la migration",
                template="support/assistant/pas-de-mail-1.html",
                articles=("pas-recu-le-mail-1",),
                need="pas-de-mail-1",
                source="FAQ d’octobre 2024, §8 (S1)",
                asks=Typed.MAILBOX,
            ),
        ),
        Choice("mail-2", "Il me manque le mail avec le mot de passe", Door("nouveau")),
        Choice(
            "date",
            "Quand ma boîte migre-t-elle ?",
            Leaf(
                title="La date de votre migration",
                template="support/assistant/date.html",
                articles=("migration-en-bref", "changer-la-date"),
                need="procedure",
                source="FAQ d’octobre 2024, §4 et §5 (S1)",
                asks=Typed.MAILBOX,
            ),
            while_migrating=True,
        ),
        Choice(
            "report",
            "La date ne nous convient pas",
            Leaf(
                title="Demander une autre date",
                template="support/assistant/report.html",
                articles=("changer-la-date",),
                need="procedure",
                source="Circulaire du 30/09/2024 (S4)",
                asks=Typed.MAILBOX,
            ),
            while_migrating=True,
        ),
        Choice(
            "autre",
            "Autre chose sur la procédure",
            Leaf(
                title="Une question sur la procédure",
                template="support/assistant/procedure.html",
                direct=True,
                articles=("a-qui-s-adresser", "migration-en-bref"),
                need="procedure",
                source="FAQ d’octobre 2024, §9 (S1) ; circulaire du 01/09/2025 (S3)",
            ),
        ),
    ),
)

# What a BMA is for

NOT_FOR_THAT = Leaf(
    title="La BMA ne sert pas à cela",
    template="support/assistant/usage-refuse.html",
    articles=("usage-de-la-bma",),
    need="usage",
    source="Circulaire du 01/09/2025, §1.2 (S3) ; circulaire du 30/09/2024 (S4)",
)
USE = Question(
    title="À quoi voulez-vous faire servir la boîte ?",
    short="Usage de la boîte",
    choices=(
        Choice("parents", "Écrire aux parents ou aux élèves, recevoir leurs mails", NOT_FOR_THAT),
        Choice("inscriptions", "Recevoir des inscriptions ou des justificatifs d’absence", NOT_FOR_THAT),
        Choice("fournisseurs", "Commander, échanger avec un fournisseur ou un entrepreneur", NOT_FOR_THAT),
        Choice("personnel", "Écrire aux membres du personnel", NOT_FOR_THAT),
        Choice("publier", "Publier son adresse : site, affiche, réseaux sociaux", NOT_FOR_THAT),
        Choice(
            "administration",
            "Échanger avec l’administration de la Fédération",
            Leaf(
                title="C’est exactement à cela qu’elle sert",
                template="support/assistant/usage-admis.html",
                articles=("usage-de-la-bma", "bma-c-est-quoi"),
                need="usage",
                source="Circulaire du 01/09/2025, §1 (S3)",
            ),
        ),
    ),
)
