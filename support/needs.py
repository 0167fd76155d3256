"""What a holder may need: names, questions that a rule may look at, and what the desk ticks off (F20). Data only.

The routing rules, the assistant, the tickets and the articles name needs by their slug.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Choice:
    value: str
    label: str


@dataclass(frozen=True)
class Answer:
    """One thing that a rule may look at. Without `choices` it is free, or a day (ISO) if `date`."""

    key: str
    label: str
    choices: tuple[Choice, ...] = ()
    date: bool = False
    hint: str = ""


@dataclass(frozen=True)
class Check:
    """One thing to have done before the ticket is solved; `mandatory` ones hold it back."""

    slug: str
    label: str
    mandatory: bool = True


@dataclass(frozen=True)
class Need:
    slug: str
    label: str
    group: str
    answers: tuple[Answer, ...] = ()
    checklist: tuple[Check, ...] = ()
    sensitive: bool = False  # what is attached is personal (police report, identity card): mailed to nobody (SEC-F3)

    def answer(self, key: str) -> Answer | None:
        return next((answer for answer in self.answers if answer.key == key), None)


PASSWORD, MIGRATION, MAIL = "Mot de passe", "Migration", "Messagerie"
CERBERE, HARDWARE, USE = "Cerbère", "Matériel et connexion", "Usage de la boîte"

YES, NO = Choice("oui", "Oui"), Choice("non", "Non, pas encore")
ASKED_BY_HOLDER = Check("identite", "L’identité de la personne et son lien avec la boîte sont vérifiés")

_ALL = (
    Need(
        "ancien-mot-de-passe",
        "J’ai perdu le mot de passe de l’ancienne interface",
        PASSWORD,
        checklist=(
            Check("navigateur", "Les mots de passe enregistrés dans le navigateur ont été regardés", mandatory=False),
            ASKED_BY_HOLDER,
            Check("fase", "Le numéro FASE et l’adresse de la boîte correspondent"),
            Check("remis", "Le nouveau mot de passe est remis au ou à la titulaire, jamais par un simple courriel"),
            Check("copie", "La copie de la pièce d’identité est détruite"),
        ),
        sensitive=True,
    ),
    Need(
        "nouveau-mot-de-passe",
        "J’ai perdu le mot de passe de la nouvelle interface",
        PASSWORD,
        checklist=(
            ASKED_BY_HOLDER,
            Check("formulaire", "Le bon formulaire (MODE ou hors MODE) est indiqué"),
            Check("appareils", "Les appareils où l’ancien mot de passe est enregistré sont passés en revue", False),
        ),
        sensitive=True,
    ),
    Need(
        "procedure",
        "J’ai une question sur la migration, sa date ou son report",
        MIGRATION,
        checklist=(Check("date", "La date dont on parle est celle du calendrier de la boîte", mandatory=False),),
    ),
    Need(
        "pas-de-mail-1",
        "Je n’ai pas reçu le premier mail de la migration",
        MIGRATION,
        checklist=(
            Check("livraison", "L’état de livraison du mail 1 est vérifié"),
            Check(
                "lecture", "Le ou la titulaire lit bien la boîte elle-même, et non une redirection", mandatory=False
            ),
        ),
    ),
    Need(
        "reception",
        "Je ne reçois plus de mails",
        MAIL,
        answers=(
            Answer(
                "erreur",
                "Un message d’erreur s’affiche-t-il ?",
                (Choice("aucune", "Non, aucun"), Choice("message", "Oui")),
            ),
        ),
        checklist=(Check("espace", "La place occupée dans la boîte est regardée"),),
    ),
    Need(
        "configuration",
        "Je n’arrive pas à configurer ma messagerie",
        MAIL,
        answers=(
            Answer(
                "appareil",
                "Sur quoi configurez-vous la boîte ?",
                (
                    Choice("outlook", "Outlook sur un ordinateur"),
                    Choice("telephone", "Un téléphone ou une tablette"),
                    Choice("autre", "Un autre logiciel"),
                ),
            ),
        ),
    ),
    Need(
        "technique",
        "J’ai un autre souci technique avec la boîte",
        MAIL,
        answers=(
            Answer(
                "sujet",
                "De quoi s’agit-il ?",
                (
                    Choice("webmail", "L’interface web"),
                    Choice("logiciel", "Un logiciel de messagerie"),
                    Choice("transfert", "Le passage des mails vers un autre ordinateur ou logiciel"),
                    Choice("redirection", "Une redirection"),
                    Choice("autre", "Autre chose"),
                ),
            ),
        ),
    ),
    Need(
        "cerbere",
        "Mon compte Cerbère ne fonctionne pas",
        CERBERE,
        answers=(
            Answer(
                "essai",
                "Avez-vous suivi la procédure de récupération de Cerbère ?",
                (Choice("pas-encore", "Non, pas encore"), Choice("echec", "Oui, sans succès")),
            ),
        ),
        checklist=(ASKED_BY_HOLDER,),
    ),
    Need(
        "panne",
        "L’ordinateur fourni par la Fédération est en panne",
        HARDWARE,
        answers=(
            Answer(
                "livraison",
                "Quel jour l’appareil a-t-il été livré ?",
                date=True,
                hint="La date figure sur le bon de livraison. Si vous ne la connaissez pas, laissez vide.",
            ),
        ),
        checklist=(
            Check("serie", "Le numéro de série est noté"),
            Check("garantie", "La date de livraison est vérifiée"),
        ),
    ),
    Need(
        "vol",
        "L’ordinateur fourni par la Fédération a été volé",
        HARDWARE,
        checklist=(
            Check("proces-verbal", "La copie du procès-verbal de la déclaration de vol est reçue"),
            Check("perte", "La perte du matériel est notée dans l’inventaire"),
            Check("pas-remplace", "La personne sait que le matériel volé n’est pas remplacé"),
            Check("acces", "Le mot de passe de la boîte est changé s’il était enregistré sur l’appareil", False),
        ),
        sensitive=True,
    ),
    Need(
        "logiciels",
        "Je cherche un anti-virus ou un pilote pour l’ordinateur fourni",
        HARDWARE,
    ),
    Need(
        "internet",
        "Je n’ai pas de connexion à internet",
        HARDWARE,
        answers=(
            Answer("boitier", "Avez-vous éteint puis rallumé le boîtier de votre fournisseur ?", (YES, NO)),
            Answer("autre-appareil", "Avez-vous essayé avec un autre appareil, sur la même ligne ?", (YES, NO)),
            Answer(
                "fournisseur",
                "Que dit votre fournisseur d’accès à internet ?",
                (
                    Choice("pas-encore", "Je ne l’ai pas encore contacté"),
                    Choice("ligne-en-panne", "La ligne est en panne"),
                    Choice("rien-trouve", "Il n’a rien trouvé : la ligne fonctionne"),
                ),
            ),
        ),
        checklist=(Check("fournisseur", "La réponse du fournisseur d’accès est notée"),),
    ),
    Need(
        "usage",
        "À quoi la boîte peut-elle servir ?",
        USE,
    ),
)

NEEDS: dict[str, Need] = {need.slug: need for need in _ALL}
