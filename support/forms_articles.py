"""What a reader says of an article. Nothing in it is about a person."""

from django import forms

from support.models import ArticleVote

LONGEST_TEXT = 300
UNREADABLE = "Votre réponse n’a pas pu être lue : choisissez Oui ou Non."


class VoteForm(forms.Form):
    """« Cet article vous a-t-il été utile ? »: two buttons of one name."""

    utile = forms.ChoiceField(
        choices=[("oui", "Oui"), ("non", "Non"), ("resolu", "Cela a répondu à ma question")],
        error_messages={"required": UNREADABLE, "invalid_choice": UNREADABLE},
    )
    version = forms.IntegerField(min_value=1, max_value=100_000, required=False)


class ReasonForm(forms.Form):
    """Why it was not. One choice; a few words, if one has them."""

    use_required_attribute = False

    raison = forms.ChoiceField(
        label="Qu’est-ce qui n’allait pas\N{NO-BREAK SPACE}?",
        choices=[choice for choice in ArticleVote.Reason.choices if choice[0] != ArticleVote.Reason.SOLVED],
        widget=forms.RadioSelect,
        error_messages={
            "required": "Choisissez ce qui n’allait pas.",
            "invalid_choice": "Choisissez l’une des raisons de la liste.",
        },
    )
    texte = forms.CharField(
        label="Un mot de plus (facultatif)",
        help_text="N’écrivez ni nom, ni mot de passe, ni adresse\N{NO-BREAK SPACE}: personne ne répond d’ici.",
        required=False,
        max_length=LONGEST_TEXT,
        widget=forms.Textarea(attrs={"rows": 3, "autocomplete": "off"}),
        error_messages={
            "max_length": f"Ce texte est trop long\N{NO-BREAK SPACE}: {LONGEST_TEXT} signes au plus.",
            "null_characters_not_allowed": "Ce texte contient un signe illisible\N{NO-BREAK SPACE}: effacez-le.",
        },
    )
