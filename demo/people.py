"""The demo's people, invented, every one of them: known to the Cerbère stand-in and to the portal only."""

from dataclasses import dataclass

STRONG, SIMPLE = "urn:demo:cerbere:renforcee", "urn:demo:cerbere:simple"
DESK_ONLY = {"Priminfo", "Enseignement.be"}  # roles that have the desk, and no administration


@dataclass(frozen=True)
class Person:
    username: str
    first_name: str
    last_name: str
    what: str
    roles: tuple[str, ...] = ()  # groups of the teams' side
    quality: str = ""  # what they are to a school: see demo/accounts.py
    break_glass: bool = False  # signs in without Cerbère
    expires_in: int = 90  # days until the Cerbère password ends

    @property
    def subject(self) -> str:
        """Who they are to Cerbère; tells nothing else."""
        return f"demo-{self.username}"

    @property
    def name(self) -> str:
        return f"{self.first_name} {self.last_name}"

    @property
    def email(self) -> str:
        return f"{self.username}@exemple.test"

    @property
    def is_staff(self) -> bool:
        """Whether the administration is open to them."""
        return bool(set(self.roles) - DESK_ONLY) or self.break_glass

    @property
    def is_agent(self) -> bool:
        """Whether they work for a team: the portal then wants a strong sign-in of them."""
        return bool(self.roles) or self.break_glass


PEOPLE = [
    Person("sgne", "Sacha", "Inventé", "équipe « Migration BMA » : lots, titulaires, son bureau", ("SGNE",)),
    Person("sgne2", "Robin", "Inventé", "équipe « Migration BMA » : approuve ce que Sacha a planifié", ("SGNE",)),
    Person("etnic", "Éden", "Inventé", "responsable du Service Desk : son bureau, les nuits", ("ETNIC",)),
    Person("etnic2", "Maé", "Inventé", "Service Desk : exécute les demandes hors MODE", ("ETNIC", "Exécution")),
    Person("verificatrice", "Alix", "Inventée", "vérifie les demandes hors MODE", ("SGNE", "Vérification")),
    Person("priminfo", "Morgan", "Inventé", "technicien de Priminfo : son bureau, ou sa boîte mail", ("Priminfo",)),
    Person(
        "enseignement",
        "Jade",
        "Inventée",
        "agent d’Enseignement.be : les boîtes pas encore migrées",
        ("Enseignement.be",),
    ),
    Person("auditeur", "Charlie", "Inventé", "lit tout et le journal d’audit, ne change rien", ("Auditeur",)),
    Person("secours", "Compte", "de secours", "quand Cerbère est en panne", break_glass=True),
    Person("directrice", "Dominique", "Fictive", "dirige une école, avec la permission", quality="holder-grant"),
    Person("directeur", "Camille", "Fictif", "dirige une école, sans la permission", quality="holder", expires_in=5),
    Person("gia", "Noa", "Fictive", "GIA du PO de ces deux écoles", quality="gia"),
    Person("po", "Lou", "Fictif", "représente ce PO et dirige une école d’un autre", quality="po-and-holder"),
    Person("inconnue", "Andrea", "Fictive", "n’a encore aucun lien avec une école"),
]
