"""The words of invented tickets: some that nearly every ticket says, some that hardly any does."""

GREETINGS = ("Bonjour,", "Bonjour à toute l’équipe,", "Madame, Monsieur,", "Bonjour, je me permets d’insister.")
THANKS = (
    "Merci d’avance.",
    "Merci pour votre aide.",
    "Bien à vous,",
    "Bonne journée,",
    "D’avance merci, cela devient urgent pour le secrétariat.",
)
# {a} appareil, {l} logiciel, {q} quand, {o} lieu, {p} personne, {r} mot rare, {n} nombre
SENTENCES = (
    "La boîte de l’école ne s’ouvre plus {q}.",
    "Le mot de passe est refusé dans {l} {q}.",
    "{l} affiche une page blanche sur {a}.",
    "Les mails envoyés à {p} ne partent pas.",
    "Nous ne recevons plus rien {q}, sans message d’erreur.",
    "La boîte semble pleine : {n} mails attendent dans la corbeille.",
    "Le code d’erreur {n} s’affiche quand {p} ouvre {l}.",
    "J’ai redémarré {a}, cela ne change rien.",
    "{p} utilise {a} dans {o} et tout fonctionne.",
    "Les dossiers ont disparu de {l} {q}.",
    "La signature du projet « {r} » ne s’affiche plus.",
    "Le classement « {r} » est vide {q}.",
    "Une pièce jointe de {n} Mo bloque l’envoi vers {p}.",
    "La connexion à internet est coupée dans {o}.",
    "L’imprimante {r} ne reçoit plus les numérisations dans la boîte.",
    "Faut-il recommencer la configuration sur {a} ?",
    "Le certificat est refusé par {l} sur {a}.",
    "{p} a quitté l’école {q} et connaissait seul la procédure.",
    "Le calendrier de {p} n’est plus partagé {q}.",
    "Je joins une capture d’écran prise {q} sur {a}.",
)
ANSWERS = (
    "Pouvez-vous vérifier que le verrouillage des majuscules est désactivé sur {a} ?",
    "Essayez l’interface web depuis {o}, puis dites-nous ce qui s’affiche.",
    "Supprimez le compte dans {l}, puis ajoutez-le à nouveau.",
    "Le service a été rétabli {q}, merci de réessayer.",
    "Nous avons transmis votre question à {p}.",
    "Videz la corbeille : la place occupée dépasse {n} Mo.",
    "Quel message s’affiche exactement dans {l} ?",
    "Le dossier « {r} » est de nouveau accessible.",
    "Redémarrez {a}, puis ouvrez {l} une seule fois.",
)
DEVICES = (
    "l’ordinateur du secrétariat",
    "le portable de la direction",
    "la tablette",
    "le téléphone",
    "l’ordinateur fixe",
    "le poste de l’économat",
    "un ancien portable",
)
PROGRAMS = (
    "Outlook",
    "Thunderbird",
    "l’interface web",
    "Firefox",
    "Edge",
    "Chrome",
    "l’application Courrier",
    "Opera",
)
MOMENTS = (
    "depuis ce matin",
    "depuis lundi",
    "depuis la rentrée",
    "depuis la mise à jour",
    "après les congés",
    "chaque vendredi",
    "depuis l’orage",
    "une fois sur deux",
    "depuis le déménagement",
)
PLACES = (
    "le bureau de la direction",
    "la salle des professeurs",
    "la bibliothèque",
    "l’implantation du bas",
    "le réfectoire",
    "l’atelier",
    "le gymnase",
    "la cour",
)
PERSONS = (
    "la secrétaire",
    "le directeur adjoint",
    "l’économe",
    "la puéricultrice",
    "le pouvoir organisateur",
    "l’inspectrice",
    "le préfet",
    "la bibliothécaire",
    "le concierge",
)
_BEGINNINGS = (
    "Aba", "Bel", "Cari", "Dodé", "Élu", "Fari", "Gali", "Hobi", "Ila", "Jasmi", "Kaléi", "Lumi", "Marjo", "Nébu",
    "Orti", "Pali", "Quinti", "Ragou", "Sarcel", "Tourne", "Ursu", "Vermi", "Xylo", "Zéphy",
)  # fmt: skip
_ENDS = (
    "rine",
    "doscope",
    "bulle",
    "gramme",
    "lette",
    "mante",
    "nelle",
    "pique",
    "quarte",
    "sable",
    "thèque",
    "volte",
)
RARE = tuple(start + end for start in _BEGINNINGS for end in _ENDS)

FIRST_NAMES = ("Camille", "Dominique", "Claude", "Sacha", "Noa", "Lou", "Maxence", "Andréa", "Morgan", "Éden", "Alix")
FAMILY_ENDS = ("fictif", "fictive", "inventé", "inventée", "rêvé", "rêvée")
FAMILY = (
    "Aubier",
    "Brindille",
    "Corolle",
    "Drageon",
    "Étamine",
    "Fougère",
    "Girolle",
    "Houblon",
    "Ivraie",
    "Jonquille",
)
SUBJECTS = {
    "technique": ("{l} refuse d’ouvrir la boîte", "Plus d’envoi vers {p}", "Classement « {r} » disparu"),
    "configuration": ("Configurer {l} sur {a}", "{l} redemande le mot de passe", "Ajouter la boîte sur {a}"),
    "reception": ("Plus aucun mail {q}", "Des mails de {p} n’arrivent pas", "Boîte pleine ?"),
    "nouveau-mot-de-passe": ("Mot de passe perdu", "Mot de passe refusé {q}", "{p} n’a pas transmis le mot de passe"),
    "procedure": ("Question sur la migration", "Date de la migration", "Que deviennent nos anciens mails ?"),
    "panne": ("{a} ne démarre plus", "Écran noir {q}", "Clavier inutilisable"),
    "cerbere": ("Compte Cerbère bloqué", "Cerbère refuse le code de {p}"),
    "internet": ("Pas de connexion dans {o}", "Connexion coupée {q}"),
}
