"""The one exception of the embedded servers."""


class EmbeddedError(Exception):
    """What prevents the embedded servers from running, said in French to the person at the keyboard.

    ``detail`` is the output of a program that failed (a migration, PostgreSQL's journal), shown under the sentence.
    """

    def __init__(self, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.detail = detail.strip()

    def for_a_person(self) -> str:
        if not self.detail:
            return f"{self}\n"
        quoted = "\n".join(f"  | {line}" for line in self.detail.splitlines())
        return f"{self}\n{quoted}\n"
