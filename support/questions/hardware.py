"""What stands on the desk: the computer that was supplied (E5), the line that others supply (E6)."""

from support.questions.ways import Choice, Leaf, Question, Typed

HARDWARE = Question(
    title="Qu’est-il arrivé au matériel ?",
    short="Matériel",
    hint="Il s’agit du matériel que la Fédération Wallonie-Bruxelles a fourni à la direction.",
    choices=(
        Choice(
            "panne",
            "Il est en panne",
            Leaf(
                title="Un matériel en panne",
                template="support/assistant/panne.html",
                direct=True,
                articles=("panne-sous-garantie",),
                without_request=("panne-hors-garantie", "usage-du-materiel"),
                need="panne",
                source="Circulaire du 01/09/2025, §2.3 (S3)",
                asks=Typed.DELIVERY,
            ),
        ),
        Choice(
            "vol",
            "Il a été volé",
            Leaf(
                title="Un matériel volé",
                template="support/assistant/vol.html",
                direct=True,
                articles=("materiel-vole", "documents-et-vie-privee"),
                need="vol",
                source="Circulaire du 01/09/2025, §2.3 (S3)",
            ),
        ),
        Choice(
            "logiciels",
            "Il me faut un anti-virus ou un pilote",
            Leaf(
                title="Anti-virus et pilotes",
                template="support/assistant/logiciels.html",
                articles=("antivirus-et-pilotes",),
                need="logiciels",
                source="Circulaire du 01/09/2025, §2.3 (S3)",
            ),
        ),
    ),
)
SOURCE = "Circulaire du 01/09/2025, §2.4 (S3)"
CHECKED = (("boitier", "oui"), ("autre-appareil", "oui"))
PROVIDER = Question(
    title="Que dit votre fournisseur d’accès à internet ?",
    short="Votre fournisseur",
    hint="C’est la société qui vous facture la ligne. Elle seule peut la tester.",
    choices=(
        Choice(
            "pas-encore",
            "Je ne l’ai pas encore appelé",
            Leaf(
                title="Appelez d’abord votre fournisseur",
                template="support/assistant/internet-fournisseur.html",
                articles=("pas-d-internet",),
                need="internet",
                source=SOURCE,
                answers=(*CHECKED, ("fournisseur", "pas-encore")),
            ),
        ),
        Choice(
            "ligne-en-panne",
            "La ligne est en panne, il s’en occupe",
            Leaf(
                title="Votre fournisseur répare la ligne",
                template="support/assistant/internet-ligne.html",
                articles=("pas-d-internet",),
                need="internet",
                source=SOURCE,
                answers=(*CHECKED, ("fournisseur", "ligne-en-panne")),
            ),
        ),
        Choice(
            "rien-trouve",
            "Il n’a rien trouvé : la ligne fonctionne",
            Leaf(
                title="La ligne n’est pas en cause",
                template="support/assistant/internet-etnic.html",
                direct=True,
                articles=("pas-d-internet",),
                need="internet",
                source=SOURCE,
                answers=(*CHECKED, ("fournisseur", "rien-trouve")),
            ),
        ),
    ),
)
COMPUTER = Question(
    title="L’ordinateur qui n’a pas internet, l’avez-vous redémarré ?",
    short="Ordinateur redémarré",
    hint="Regardez aussi son câble, ou choisissez de nouveau le wifi de l’école.",
    choices=(
        Choice(
            "non",
            "Non, pas encore",
            Leaf(
                title="Redémarrez d’abord l’ordinateur",
                template="support/assistant/internet-ordinateur.html",
                articles=("pas-d-internet",),
                need="technique",
                source="Circulaire du 01/09/2025, §2.3 et §2.4 (S3)",
                answers=(("sujet", "autre"),),
            ),
        ),
        Choice(
            "oui",
            "Oui, sans résultat",
            Leaf(
                title="La ligne marche : c’est l’ordinateur",
                template="support/assistant/internet-technique.html",
                articles=("pas-d-internet", "panne-sous-garantie"),
                need="technique",
                source="Circulaire du 01/09/2025, §2.3 et §2.4 (S3)",
                answers=(("sujet", "autre"),),
            ),
        ),
    ),
)
DEVICE = Question(
    title="Un autre appareil a-t-il internet au même endroit ?",
    short="Un autre appareil",
    hint="L’ordinateur d’un collègue, ou un téléphone relié au wifi de l’école, ses données mobiles coupées.",
    choices=(
        Choice("non", "Non, plus rien ne fonctionne", PROVIDER),
        Choice("oui", "Oui : c’est seulement cet ordinateur", COMPUTER),
        Choice(
            "pas-essaye",
            "Je n’ai pas essayé",
            Leaf(
                title="Essayez d’abord avec un autre appareil",
                template="support/assistant/internet-essayer.html",
                articles=("pas-d-internet",),
                need="internet",
                source=SOURCE,
                answers=(("boitier", "oui"), ("autre-appareil", "non"), ("fournisseur", "pas-encore")),
            ),
        ),
    ),
)
INTERNET = Question(
    title="Avez-vous éteint, puis rallumé le boîtier de votre fournisseur ?",
    short="Boîtier rallumé",
    hint="Le « modem » ou la « box » : l’appareil que votre fournisseur d’accès à internet a installé.",
    choices=(
        Choice(
            "non",
            "Non, pas encore",
            Leaf(
                title="Rallumez d’abord le boîtier",
                template="support/assistant/internet-boitier.html",
                articles=("pas-d-internet",),
                need="internet",
                source=SOURCE,
                answers=(("boitier", "non"), ("fournisseur", "pas-encore")),
            ),
        ),
        Choice("oui", "Oui, sans résultat", DEVICE),
    ),
)
