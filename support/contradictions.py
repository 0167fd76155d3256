"""Where the documents contradict each other: what each says, which one the portal follows, and what pins it (H11).

Rows K1 to K13 of the requirements. A decision changes here, with its date and its author; the tests named in its row
are those to read and to run then (`tests` gives the arguments for pytest), and CI runs them all.
"""

from dataclasses import dataclass
from datetime import date

TEAM = "équipe du portail"
FROM_THE_START = date(2026, 11, 22)


@dataclass(frozen=True)
class Side:
    """What one document says, in our words."""

    source: str
    says: str


@dataclass(frozen=True)
class Contradiction:
    """`since`: the Brussels day from which the portal does so; `tests`: files, or file::test, that hold it."""

    key: str
    question: str
    sides: tuple[Side, ...]
    decision: str
    why: str
    tests: tuple[str, ...]
    ours: bool = False  # no document settles it: it is our choice
    setting: str = ""  # where staff may change it, if anywhere
    by: str = TEAM
    since: date = FROM_THE_START

    @property
    def command(self) -> str:
        """What runs the tests of this row."""
        return f'make test ARGS="{" ".join(self.tests)}"'


MAILS = "tests/migration/test_mails.py"
REGISTER: tuple[Contradiction, ...] = (
    Contradiction(
        "K1",
        "Le mot de passe change-t-il ?",
        (
            Side("S1 §3, titre", "L’adresse et le mot de passe restent les mêmes."),
            Side("S1 §3", "Un nouveau mot de passe est envoyé à toutes les boîtes pour la nouvelle interface."),
        ),
        "Un nouveau mot de passe pour la nouvelle interface ; l’ancien reste bon jusqu’à la nuit de la migration.",
        "Le titre parle de l’ancienne interface, le texte de la nouvelle : les deux tiennent, chacun à son moment.",
        (f"{MAILS}::test_mail_2_says_from_when_to_keep_it_and_to_change_it",),
    ),
    Contradiction(
        "K2",
        "Qui envoie les quatre mails ?",
        (
            Side("S1 §5", "Le SGNE envoie chaque mail."),
            Side("S4, S1 §7", "Le SGNE envoie les mails 1 et 3, l’ETNIC les mails 2 et 4."),
        ),
        "SGNE : 1 et 3 ; ETNIC : 2 et 4. Aucun ne peut envoyer ni approuver ceux de l’autre.",
        "La circulaire (S4) l’emporte sur la foire aux questions.",
        (f"{MAILS}::test_sgne_sends_the_odd_ones_and_etnic_the_even_ones",),
        setting="EXCHANGE_SGNE_ADDRESS et EXCHANGE_ETNIC_ADDRESS (installation)",
    ),
    Contradiction(
        "K3",
        "Que contient le mail 4 ?",
        (
            Side("S1 §5", "Il rappelle le mot de passe du mail 2."),
            Side("S4", "Il donne le lien de la nouvelle interface."),
        ),
        "Les deux : le lien et le rappel ; si le mot de passe a changé depuis, la date du changement, sans secret.",
        "Rien ne s’oppose à dire les deux.",
        (
            f"{MAILS}::test_mail_4_is_the_last_on_the_old_interface_links_the_new_one_and_recalls_the_password",
            f"{MAILS}::test_mail_4_says_when_a_password_was_changed_in_between_and_tells_none",
        ),
    ),
    Contradiction(
        "K4",
        "Les périodes annoncées et les délais entre les mails tiennent-ils ensemble ?",
        (
            Side("S1 §5", "Une semaine du mail 1 au mail 2, puis trois à douze semaines jusqu’au mail 3."),
            Side("S1 §8", "Premier mail aux PO du 7 au 31 octobre 2024, aux établissements du 4 au 30 novembre."),
            Side("S4", "Les PO migrent du 1er au 25 octobre 2024, les établissements du 4 au 30 novembre."),
        ),
        "Délais et périodes sont des réglages ; le plan garde les délais, dit ce qui ne tient pas, et attend une "
        "décision signée.",
        "Avec les délais, la première nuit possible est le 4 novembre pour les PO et le 2 décembre pour les "
        "établissements, le 3 une fois compté le 11 novembre.",
        ("tests/migration/test_planning.py",),
        ours=True,
        setting="Campagne : périodes, délais",
    ),
    Contradiction(
        "K5",
        "À qui s’adresser pour un mot de passe perdu « une fois la migration commencée » ?",
        (
            Side("S1 §6", "Les formulaires, sinon l’ETNIC."),
            Side("S1 §7", "Le SGNE si la migration a commencé, Enseignement.be sinon."),
        ),
        "« Commencée » veut dire : le mail 2 de cette boîte a été remis. Les formulaires d’abord, puis l’ETNIC.",
        "C’est le seul fait que le titulaire et les équipes peuvent constater tous les deux.",
        ("tests/support/test_routing.py", "tests/support/test_door.py"),
        ours=True,
    ),
    Contradiction(
        "K6",
        "Quand la migration finit-elle ?",
        (
            Side("S1, S4", "Le 30 novembre 2024."),
            Side("S2", "En décembre 2024."),
            Side("S3 §3", "À la fin de décembre 2024 ; l’ancien serveur ferme le 25 avril 2025."),
        ),
        "À la nuit du dernier lot, telle qu’elle est enregistrée ; jamais après la fermeture du 25 avril 2025.",
        "Une date constatée vaut mieux que trois dates annoncées.",
        ("tests/migration/test_phases.py::test_the_programme_is_over_once_all_have_migrated_and_closed_on_the_day",),
        ours=True,
        setting="Campagne : fermeture de l’ancien serveur",
    ),
    Contradiction(
        "K7",
        "Quelles unités sont dans MODE ?",
        (
            Side(
                "S1 §6, S2",
                "En 2024, hors MODE : ESAHR, CDPA, CAF, CTA, enseignement supérieur, homes, internats, CPMS, PSE.",
            ),
            Side("S3 §2.1", "Depuis septembre 2025, seuls les CTA et les universités sont hors MODE."),
        ),
        "Le périmètre porte ses dates. Un type qu’aucun document ne nomme attend la décision d’une personne ; un PO "
        "suit ses établissements ; un établissement de plusieurs types est dans MODE si l’un d’eux y est.",
        "Chaque circulaire vaut pour son époque ; les deux dernières règles sont les nôtres.",
        ("tests/accounts/test_mode_perimeter.py",),
        setting="Administration : périmètre de MODE",
    ),
    Contradiction(
        "K8",
        "Quelle est l’adresse du Service Desk ?",
        (
            Side("S1, S3 §1", "support@etnic.be"),
            Side("S3 §2.3 et §2.4", "La même avec un « h » de trop : un autre domaine, qui n’est pas à l’ETNIC."),
        ),
        "support@etnic.be seulement ; l’autre est refusée par les formulaires, la base et le contrôle des articles.",
        "Un procès-verbal de vol envoyé à l’autre domaine serait lu par des inconnus.",
        ("tests/accounts/test_contacts.py", f"{MAILS}::test_known_slips_of_the_documents_reach_nobody"),
        setting="Administration : contacts",
    ),
    Contradiction(
        "K9",
        "Quelle est l’adresse de la messagerie dans le navigateur ?",
        (
            Side("S0", "http://webmail.adm.cfwb.be (ancien serveur)"),
            Side("S1, S2", "Une adresse mal formée, où « www.webmail » est pris pour un nom d’utilisateur."),
            Side("S3", "https://ec.cfwb.be/owa (nouveau serveur)"),
        ),
        "Le lien suit la phase de la boîte ; l’adresse mal formée n’est jamais imprimée.",
        "Chaque boîte n’est lue qu’à un endroit à la fois.",
        (
            f"{MAILS}::test_links_are_named_and_lead_only_where_they_may",
            "tests/support/test_status.py::test_each_fact_changes_what_is_told_from_its_own_day",
        ),
        setting="Campagne : nouvelle et ancienne interface",
    ),
    Contradiction(
        "K10",
        "Combien de chiffres dans l’adresse ?",
        (
            Side("S1, S3", "Six chiffres après « ec » ou « po »."),
            Side("S0, S3, exemples", "Cinq chiffres, ou le mot FASE."),
        ),
        "Six chiffres, complétés par des zéros ; un numéro plus court est complété et montré tel qu’il est lu.",
        "C’est la forme de toutes les adresses réelles.",
        ("tests/accounts/test_addresses.py",),
    ),
    Contradiction(
        "K11",
        "Quand part le tout premier mail ?",
        (
            Side("S1 §5", "À partir du 4 octobre 2024."),
            Side("S1 §8", "Les PO le reçoivent à partir du 7 octobre."),
        ),
        "Le début de la période est un réglage ; par défaut le 7 octobre 2024.",
        "Le 4 octobre est un vendredi : le premier lot entier commence le lundi 7.",
        ("tests/migration/test_planning.py",),
        ours=True,
        setting="Campagne : PO, premier mail, du",
    ),
    Contradiction(
        "K12",
        "Le mail 3 « confirme »-t-il une migration qui n’a pas encore eu lieu ?",
        (
            Side("S1 §5", "Il confirme la migration et donne le lien, des semaines avant la nuit."),
            Side("S4", "L’ancienne boîte sert jusqu’à la nuit."),
        ),
        "Il dit que la date est confirmée, et à partir de quel jour le lien fonctionne.",
        "Un lien qui ne marche pas encore coûte un appel à chaque école.",
        (f"{MAILS}::test_mail_3_confirms_the_date_and_marks_its_link",),
        ours=True,
        setting="Campagne : délai entre le mail 3 et la nuit ; textes des mails",
    ),
    Contradiction(
        "K13",
        "Comment s’écrivent les sigles ?",
        (
            Side(
                "S1, titre et §6",
                "L’ancien serveur sans son « I », l’ESAHR avec ses deux dernières lettres inversées.",
            ),
            Side("S0, S3", "SMAIL2, ESAHR ; un port « POP3 sortant », deux sections 6.2."),
        ),
        "SMAIL2 et ESAHR dans nos textes ; les deux écritures trouvent le même article.",
        "Qui cherche le mot du document doit trouver la réponse.",
        ("tests/support/test_search.py",),
    ),
)


def cited(register: tuple[Contradiction, ...] = REGISTER) -> dict[str, Contradiction]:
    """By key."""
    return {row.key: row for row in register}
