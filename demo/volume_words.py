"""The words of an invented register, and the texts of its mails: none of these schools or towns exists."""

STEMS = (
    "Tilleuls", "Grives", "Encriers", "Sorbiers", "Fabliaux", "Éperviers", "Bâtisseurs", "Œillets", "Genêts", "Chênes",
    "Églantines", "Hêtres", "Mûriers", "Alouettes", "Rivières", "Étangs", "Coquelicots", "Sittelles", "Ardoises",
    "Forgerons", "Potiers", "Crécelles", "Fougères", "Bruyères", "Mésanges", "Noisetiers", "Boulangères", "Fontaines",
    "Vanneaux", "Houblonnières", "Carriers", "Aubépines", "Pépinières", "Moulins", "Lavandières", "Merisiers",
)  # fmt: skip
TOWN_STARTS = (
    "Val", "Mont", "Sart-lez-", "Bois-d’", "Haut-", "Bas-", "Pont-à-", "Neuf", "Vieux-", "Saint-", "Clair", "Grand-",
    "Petit-", "Belle-", "Long", "Rouge-",
)  # fmt: skip
TOWN_ENDS = (
    "fictif", "imaginé", "inventé", "Écrit", "Songère", "Fablière", "Conté", "Rêvelin", "Chimère", "Légendier",
    "Mirage", "Papyrelle", "Encrerie", "Fauxbourg", "Trompelœil", "Semblance", "Utopie", "Nulpart",
)  # fmt: skip
ZONES = tuple(f"Zone inventée {n}" for n in range(1, 11))
NETWORKS = (
    "Officiel subventionné", "Libre subventionné confessionnel", "Libre subventionné non confessionnel",
    "Wallonie-Bruxelles Enseignement",
)  # fmt: skip
# What a school is called, and its types and levels
SCHOOLS = (
    ("École fondamentale", ("Maternel ordinaire", "Primaire ordinaire"), ("Fondamental",)),
    ("École primaire", ("Primaire ordinaire",), ("Fondamental",)),
    ("École maternelle", ("Maternel ordinaire",), ("Fondamental",)),
    ("Institut d’enseignement secondaire", ("Secondaire ordinaire",), ("Secondaire",)),
    ("École spécialisée", ("Primaire spécialisé", "Secondaire spécialisé"), ("Fondamental", "Secondaire")),
    ("Académie", ("ESAHR",), ("Artistique",)),
    ("Centre", ("CPMS",), ("CPMS",)),
)
SUBJECTS = (
    "Votre boîte mail administrative va migrer : dates et procédure (inventé)",
    "Le nouveau mot de passe de votre boîte mail administrative : à conserver (inventé)",
    "Date confirmée pour la migration de votre boîte mail administrative (inventé)",
    "Dernier message sur l’ancienne interface de votre boîte mail administrative (inventé)",
)
# As long as the real ones: what a list drags along or leaves aside must weigh what it weighs
BODY = (
    "Ce mail est inventé : il remplit une base d’essai, personne ne l’a reçu. Madame, Monsieur, la boîte mail "
    "administrative de votre établissement est déplacée vers une nouvelle interface. ",
    "Chaque boîte reçoit quatre mails : l’annonce, le mot de passe, la confirmation de la date, puis la clôture. "
    "Aucun message ne se perd : ce qui se trouve dans la boîte la veille s’y trouve le lendemain. ",
    "Votre adresse ne change pas. Pendant la nuit annoncée, la boîte reste fermée ; au matin, elle s’ouvre dans la "
    "nouvelle interface, avec le mot de passe que vous avez reçu. ",
    "Si une personne de votre équipe lit cette boîte sur un téléphone ou dans un logiciel, il faudra y changer le "
    "serveur et le mot de passe : un tutoriel l’explique pas à pas. ",
    "Le Service Desk répond du lundi au vendredi, de 8 h à 17 h. Gardez ce mail jusqu’à la fin de la migration. ",
)
NOTES = (
    "La direction préfère être jointe le matin.",
    "Deux implantations lisent la même boîte ; le secrétariat est prévenu.",
    "Le PO a demandé une copie des dates par téléphone.",
)
