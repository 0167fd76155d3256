"""What a person may be told when the portal says no."""


class Refusal(Exception):
    """The input is at fault and nothing was changed.

    The message is one or two French sentences for the person who asked; it never holds a secret.
    Commands turn it into exit status 1, pages into an error beside the field.
    """
