"""Mails that do not come or go, and where they are read. A full mailbox is thought of first (E7; S0 §6)."""

from support.questions.ways import Choice, Leaf, Question, Typed

GUIDE = "Guide Outlook"
NOTHING_ARRIVES = Question(
    title="L’écran ou le logiciel affiche-t-il une erreur ?",
    short="Erreur affichée",
    choices=(
        Choice(
            "sans-erreur",
            "Non : aucune erreur, mais plus aucun mail",
            Leaf(
                title="Votre boîte est sans doute pleine",
                template="support/assistant/boite-pleine.html",
                articles=("boite-pleine", "plus-de-mails-sans-erreur"),
                need="reception",
                source=f"{GUIDE}, « questions fréquemment posées » (S0) ; circulaire du 01/09/2025, §3 (S3)",
                answers=(("erreur", "aucune"),),
                asks=Typed.MAILBOX,
                while_migrating=True,
            ),
        ),
        Choice(
            "erreur",
            "Oui : une erreur s’affiche",
            Leaf(
                title="Votre messagerie n’arrive plus à relever la boîte",
                template="support/assistant/erreur-messagerie.html",
                articles=("outlook-ancien-serveur", "outlook-nouveau-compte", "premiers-pas-owa"),
                need="reception",
                source=f"{GUIDE}, §6.2 (S0) ; circulaire du 30/09/2024 (S4)",
                answers=(("erreur", "message"),),
                asks=Typed.MAILBOX,
                while_migrating=True,
            ),
        ),
    ),
)
RECEPTION = Question(
    title="Que se passe-t-il avec vos mails ?",
    short="Vos mails",
    choices=(
        Choice("plus-rien", "Je ne reçois plus aucun mail", NOTHING_ARRIVES),
        Choice(
            "un-seul",
            "Il me manque un mail précis",
            Leaf(
                title="Retrouver un mail qui manque",
                template="support/assistant/mail-manquant.html",
                articles=("plus-de-mails-sans-erreur", "renvoi-automatique"),
                need="technique",
                source=f"{GUIDE}, §4.1 (S0) ; FAQ d’octobre 2024, §3 (S1)",
                answers=(("sujet", "autre"),),
                asks=Typed.MAILBOX,
                while_migrating=True,
            ),
        ),
        Choice(
            "envoi",
            "Je n’arrive pas à envoyer",
            Leaf(
                title="Un mail ne part pas",
                template="support/assistant/envoi.html",
                articles=("outlook-modifier-compte", "boite-pleine"),
                need="technique",
                source="Circulaire du 01/09/2025, §1.1 et §1.2 (S3)",
                answers=(("sujet", "logiciel"),),
                asks=Typed.MAILBOX,
                while_migrating=True,
            ),
        ),
        Choice(
            "disparus",
            "Mes anciens mails ont disparu depuis la migration",
            Leaf(
                title="Où sont les anciens mails ?",
                template="support/assistant/anciens-mails.html",
                articles=("ce-qui-est-repris", "pop-garder-ses-mails"),
                need="technique",
                source="Circulaire du 30/09/2024 (S4)",
                answers=(("sujet", "autre"),),
            ),
        ),
    ),
)
OUTLOOK = Question(
    title="Que voulez-vous faire dans Outlook ?",
    short="Dans Outlook",
    choices=(
        Choice(
            "ajouter",
            "Ajouter la boîte pour la première fois",
            Leaf(
                title="Ajouter la boîte dans Outlook",
                template="support/assistant/outlook-ajouter.html",
                articles=("outlook-ancien-serveur", "outlook-nouveau-compte"),
                need="configuration",
                source=f"{GUIDE}, §4.1 (S0) ; circulaire du 01/09/2025, §1.1 (S3)",
                answers=(("appareil", "outlook"),),
                asks=Typed.MAILBOX,
                while_migrating=True,
            ),
        ),
        Choice(
            "modifier",
            "Corriger les réglages d’une boîte déjà ajoutée",
            Leaf(
                title="Corriger les réglages d’Outlook",
                template="support/assistant/outlook-modifier.html",
                articles=("outlook-ancien-serveur", "outlook-modifier-compte"),
                need="configuration",
                source=f"{GUIDE}, §5 (S0) ; circulaire du 01/09/2025, §1.1 (S3)",
                answers=(("appareil", "outlook"),),
                asks=Typed.MAILBOX,
                while_migrating=True,
            ),
        ),
        Choice(
            "deplacer",
            "Passer mes mails sur un autre ordinateur",
            Leaf(
                title="Passer les mails d’un ordinateur à un autre",
                template="support/assistant/deplacer-mails.html",
                articles=("deplacer-ses-mails", "pop-garder-ses-mails"),
                need="technique",
                source=f"{GUIDE}, §4.1 et §6.3 (S0)",
                answers=(("sujet", "transfert"),),
            ),
        ),
    ),
)
CONFIGURATION = Question(
    title="Où voulez-vous lire vos mails ?",
    short="Lire les mails",
    choices=(
        Choice("outlook", "Dans Outlook, sur mon ordinateur", OUTLOOK),
        Choice(
            "web",
            "Dans le navigateur, sur internet",
            Leaf(
                title="Ouvrir la boîte dans le navigateur",
                template="support/assistant/web.html",
                articles=("premiers-pas-owa",),
                need="technique",
                source="Circulaire du 01/09/2025, §1.1 (S3) ; circulaire du 30/09/2024 (S4)",
                answers=(("sujet", "webmail"),),
                asks=Typed.MAILBOX,
                while_migrating=True,
            ),
        ),
        Choice(
            "telephone",
            "Sur un téléphone ou une tablette",
            Leaf(
                title="Lire la boîte sur un téléphone",
                template="support/assistant/telephone.html",
                articles=("telephone",),
                need="configuration",
                source="Circulaire du 01/09/2025, §1.1 et §3 (S3)",
                answers=(("appareil", "telephone"),),
                asks=Typed.MAILBOX,
                while_migrating=True,
            ),
        ),
        Choice(
            "ailleurs",
            "Les faire suivre vers une autre adresse",
            Leaf(
                title="Faire suivre les mails est déconseillé",
                template="support/assistant/redirection.html",
                articles=("renvoi-automatique",),
                need="technique",
                source="FAQ d’octobre 2024, §3 (S1) ; FAQ suivante (S2)",
                answers=(("sujet", "redirection"),),
            ),
        ),
    ),
)
