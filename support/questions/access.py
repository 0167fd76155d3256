"""Passwords and Cerbère. The messages on screens are quoted as S0 §6.1 and §6.2 print them: what a person reads there
is what they choose here, and each leads to its cause. A lost password is the business of `/mot-de-passe/`.
"""

from support.questions.ways import Choice, Door, Leaf, Question, Typed

GUIDE = "Guide Outlook"
LOGIN_FAILURE = "« Login Failure! Please re-enter your USERID and PASSWORD or contact the mail administrator »"
CERBERE_WRONG = Leaf(
    title="Cerbère refuse ce mot de passe",
    template="support/assistant/cerbere-refuse.html",
    articles=("cerbere-messages", "cerbere-oublie"),
    need="cerbere",
    source=f"{GUIDE}, §6.1 (S0)",
    answers=(("essai", "echec"),),
)
CERBERE_EXPIRED = Leaf(
    title="Ce mot de passe Cerbère a expiré, ou va expirer",
    template="support/assistant/cerbere-expire.html",
    articles=("cerbere-expiration", "cerbere-oublie"),
    need="cerbere",
    source=f"{GUIDE}, §6.1 (S0)",
    answers=(("essai", "echec"),),
)
MESSAGES = Question(
    title="Que dit l’écran ?",
    short="Message à l’écran",
    hint="Choisissez le message le plus proche de celui que vous lisez.",
    choices=(
        # No document quotes what that interface says; its address is theirs (S3 §1.1).
        Choice(
            "nouvelle-interface",
            "La nouvelle interface de la boîte (ec.cfwb.be) refuse le mot de passe",
            Door("nouveau"),
            hint="Celui du mail 2, sauf s’il a changé depuis. L’ancien n’y sert pas.",
        ),
        Choice("invalide", "« Nom d’utilisateur ou mot de passe invalide »", CERBERE_WRONG),
        Choice("login-failed", "« login failed, please retry »", CERBERE_WRONG, lang="en"),
        Choice("expire", "« mot de passe expiré »", CERBERE_EXPIRED),
        Choice(
            "login-failure",
            LOGIN_FAILURE,
            Leaf(
                title="L’ancienne interface refuse ce mot de passe",
                template="support/assistant/ancien-refuse.html",
                articles=("verifier-ancien-mot-de-passe", "ancien-mot-de-passe-perdu", "ancien-serveur-ferme"),
                need="ancien-mot-de-passe",
                door="ancien",
                source=f"{GUIDE}, §6.2 (S0)",
                asks=Typed.MAILBOX,
                while_migrating=True,
            ),
            lang="en",
        ),
        Choice(
            "outlook",
            "Outlook redemande sans cesse le mot de passe",
            Leaf(
                title="Outlook redemande sans cesse le mot de passe",
                template="support/assistant/outlook-redemande.html",
                articles=("apres-un-nouveau-mot-de-passe", "outlook-nouveau-compte"),
                need="configuration",
                source="FAQ d’octobre 2024, §3 et §5 (S1)",
                answers=(("appareil", "outlook"),),
                asks=Typed.MAILBOX,
                while_migrating=True,
            ),
        ),
        Choice(
            "autre", "Un autre message", Door("inconnu"), hint="Trouvons d’abord quel mot de passe on vous demande."
        ),
    ),
)
PASSWORD = Question(
    title="Que se passe-t-il avec ce mot de passe ?",
    short="Mot de passe",
    choices=(
        Choice("perdu", "Je l’ai perdu ou oublié", Door(), hint="Celui de la boîte, d’Outlook ou de Cerbère."),
        Choice("refuse", "Un écran le refuse, ou affiche un message", MESSAGES),
        Choice(
            "navigateur",
            "Mon navigateur l’a peut-être enregistré",
            Leaf(
                title="Retrouver un mot de passe que le navigateur a gardé",
                template="support/assistant/navigateur.html",
                articles=("mot-de-passe-edge", "mot-de-passe-firefox", "mot-de-passe-chrome", "mot-de-passe-opera"),
                need="ancien-mot-de-passe",
                door="ancien",
                source="FAQ d’octobre 2024, §7 (S1)",
            ),
            hint="Edge, Firefox, Chrome ou Opera.",
        ),
        Choice("jamais-recu", "Je n’ai pas reçu celui de la nouvelle interface", Door("nouveau")),
    ),
)
CERBERE = Question(
    title="Que se passe-t-il avec Cerbère ?",
    short="Cerbère",
    hint="Cerbère ouvre les applications métiers. Il n’ouvre pas la boîte mail.",
    choices=(
        Choice("message", "Un message s’affiche", MESSAGES),
        Choice("oublie", "J’ai oublié mes identifiants personnels", Door("cerbere-perso")),
        Choice("bma", "J’ai oublié le mot de passe du compte lié à la BMA", Door("cerbere-bma")),
        Choice("rappel", "Un mail annonce que mon mot de passe va expirer", CERBERE_EXPIRED),
        Choice(
            "permission",
            "On me dit que je n’ai pas la permission",
            Leaf(
                title="Il vous faut une permission",
                template="support/assistant/permission.html",
                articles=("gia-et-permission", "formulaire-mode"),
                need="cerbere",
                source="Circulaire du 01/09/2025, §2.1 (S3)",
            ),
        ),
        Choice(
            "autre",
            "Autre chose",
            Leaf(
                title="Vérifier votre compte Cerbère",
                template="support/assistant/cerbere-autre.html",
                articles=("cerbere-messages", "cerbere-oublie"),
                need="cerbere",
                source=f"{GUIDE}, §6.1 (S0) ; FAQ d’octobre 2024, §9 (S1)",
                answers=(("essai", "echec"),),
            ),
        ),
    ),
)
