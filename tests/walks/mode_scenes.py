"""Where the walk of the door and of the MODE form stops to look: each page in each of its states, and who sees it."""

from collections.abc import Callable
from datetime import date

from accounts.models import User
from bma_portal import clock
from support import resets
from support.models import PasswordReset
from tests.factories import OrganisationFactory, UserFactory
from tests.factories_migration import MoveFactory
from tests.support.mode_stage import CHOOSE, check_url, in_phase, number, page_of
from tests.support.resets_stage import box, granted, hors_mode_box

DOOR = "/mot-de-passe/"
TODAY = date(2025, 10, 6)
LONG_NAME = "École fondamentale communale d’immersion linguistique du Centre et des Hameaux réunis"


def set_date(day: date, hour: int = 12) -> None:
    clock.set_for_every_process(clock.brussels(day, hour))


def mine(**kwargs) -> tuple[str, User]:
    mailbox = box(**kwargs)
    return check_url(mailbox), granted(mailbox)


def request_in(state: str, **facts) -> Callable[[], tuple[str, User]]:
    def make() -> tuple[str, User]:
        mailbox = box()
        user = granted(mailbox)
        reset = resets.ask_in_mode(mailbox, by=user, at=clock.now())
        PasswordReset.objects.filter(pk=reset.pk).update(status=state, shown_at=clock.now(), **facts)
        return page_of(reset), user

    return make


def at_door(lequel: str = "", day: date = TODAY, make: Callable | None = None, typed: str = "") -> Callable:
    def go() -> tuple[str, None]:
        set_date(day)
        wanted = number(make()) if make else typed
        return f"{DOOR}?lequel={lequel}" + (f"&numero={wanted}" if wanted else ""), None

    return go


def moved(**facts) -> Callable:
    return lambda: MoveFactory(mailbox__organisation__name=LONG_NAME, **facts).mailbox


def both_kinds() -> tuple[str, None]:
    OrganisationFactory(fase=815, mailbox=True, name=LONG_NAME)
    OrganisationFactory(fase=815, mailbox=True, po_unit=True)
    return f"{DOOR}?lequel=nouveau&numero=815", None


def several() -> tuple[str, User]:
    first = box()
    user = granted(first)
    for _ in range(4):
        granted(box(), user)
    return f"{CHOOSE}?numero={number(first)}", user


def elsewhere() -> tuple[str, User]:
    return f"{CHOOSE}?numero={number(hors_mode_box())}", mine()[1]


def wrong_door() -> tuple[str, User]:
    mailbox = hors_mode_box()
    return check_url(mailbox), granted(mailbox)


def before_the_night() -> tuple[str, User]:
    set_date(date(2024, 12, 4))
    mailbox = in_phase(confirmed=True)
    return check_url(mailbox), granted(mailbox, days=500)


SCENES: dict[str, Callable[[], tuple[str, User | None]]] = {
    "question": at_door(),
    "cerbere-perso": at_door("cerbere-perso"),
    "cerbere-bma": at_door("cerbere-bma"),
    "inconnu": at_door("inconnu", date(2024, 11, 15)),
    "ancien": at_door("ancien", date(2024, 11, 15)),
    "ancien-erreur": at_door("ancien", date(2024, 11, 15), typed="zzz"),
    "ancien-ferme": at_door("ancien"),
    "ancien-enseignement": at_door("ancien", date(2024, 10, 9), moved(announced=True)),
    "ancien-sgne": at_door("ancien", date(2024, 10, 20), moved(credentials_sent=True)),
    "nouveau": at_door("nouveau"),
    "nouveau-erreur": at_door("nouveau", typed="99"),
    "nouveau-pas-encore": at_door("nouveau", date(2024, 10, 9), moved(announced=True)),
    "nouveau-mode": at_door("nouveau", TODAY, box),
    "nouveau-hors-mode": at_door("nouveau", TODAY, hors_mode_box),
    "nouveau-personne": at_door("nouveau", TODAY, lambda: box(types=("Type jamais vu",))),
    "nouveau-choix": both_kinds,
    "mode-une": lambda: (CHOOSE, mine()[1]),
    "mode-plusieurs": several,
    "mode-aucune": lambda: (CHOOSE, UserFactory()),
    "mode-ailleurs": elsewhere,
    "verifier": mine,
    "verifier-avant-la-nuit": before_the_night,
    "sans-permission": lambda: (check_url(box()), UserFactory()),
    "pas-cette-porte": wrong_door,
    "demande-prete": request_in("ready"),
    "demande-annuaire": request_in("setting"),
    "demande-regard": request_in("received"),
    "demande-acceptee": request_in("accepted"),
    "demande-affichee": request_in("shown"),
    "demande-arretee": request_in("stopped"),
    "demande-refusee": request_in("refused", refusal="Le numéro rappelé ne répond pas."),
    "demande-close": request_in("closed"),
}
