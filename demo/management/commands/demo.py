"""`make demo`: everything on this machine, with invented data, until Ctrl-C."""

import os
import signal
import subprocess
import time
from datetime import date
from types import FrameType
from typing import Any

import requests
from django.conf import settings
from django.core.management.base import CommandParser

from accounts.models import Mailbox
from bma_portal import clock, vault
from bma_portal.clock import brussels
from bma_portal.commands import PortalCommand
from bma_portal.errors import Refusal
from demo import accounts, processes, stage, story, tickets
from demo.cerbere.control import Cerbere
from demo.exchange.control import NotStarted, StandIn
from demo.progress import Bar
from migration.models import Move

FIRST, LAST = date(2024, 9, 30), date(2025, 4, 30)


class Stopped(Exception):
    """Somebody asked the demo to stop."""


class Command(PortalCommand):
    help = "Lance la démonstration : web, ouvriers, doublures, campagne de 2024 rejouée sur un registre fictif."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--exit", action="store_true", help="s'arrêter une fois tout prêt (pour les tests)")

    def handle(self, **options: Any) -> None:
        signal.signal(signal.SIGINT, self._stop)  # even where a shell started us with it ignored
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGHUP, self._stop)
        running: list[subprocess.Popen] = []
        stand_ins: list[StandIn | Cerbere] = []
        try:
            web, stand_in = self._start(running, stand_ins)
            self._replay(stand_in)
            now = clock.now()
            accounts.give_qualities(now)
            tickets.invent(at=now, stand_in=stand_in)
            self._tell(web, stand_in)
            if not options["exit"]:
                self._wait(running, web)
        except Stopped:
            self.stdout.write("\nArrêt de la démonstration…")
        except (NotStarted, OSError) as error:
            raise Refusal(str(error)) from None
        finally:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C does not leave things half stopped
            processes.stop(running)
            for started in stand_ins:
                started.stop()

    def _stop(self, number: int, frame: FrameType | None) -> None:
        raise Stopped

    def _start(self, running: list[subprocess.Popen], stand_ins: list[StandIn | Cerbere]) -> tuple[str, StandIn]:
        taken: set[int] = set()
        wanted = int(os.environ.get("DEMO_PORT", "8000"))
        web_port = self._port(wanted, taken, "le portail")
        self.stdout.write("Démarrage des doubles d'Exchange et de Cerbère…")
        stand_in = StandIn.start(
            self._port(wanted + 1, taken, "le double d'Exchange"), processes.data_folder() / "exchange"
        )
        stand_ins.append(stand_in)
        settings.EXCHANGE_URL = os.environ["EXCHANGE_URL"] = stand_in.ews
        cerbere = Cerbere.start(self._port(wanted + 2, taken, "le double de Cerbère"))
        stand_ins.append(cerbere)
        settings.CERBERE_ISSUER = os.environ["CERBERE_ISSUER"] = cerbere.url
        settings.PORTAL_URL = os.environ["PORTAL_URL"] = f"http://127.0.0.1:{web_port}"
        vault.verify()
        accounts.create_people()
        if not self._played():
            clock.set_for_every_process(brussels(FIRST))  # before beat: at today's date all of it would be late
        self.stdout.write("Démarrage du portail, des ouvriers et de l'horloge…")
        running += [processes.start_web(web_port), processes.start_worker(), processes.start_beat()]
        address = f"http://127.0.0.1:{web_port}"
        self._answers(address, running[0])
        self.stdout.write(f"Le portail répond : {address}/")
        return address, stand_in

    def _port(self, wanted: int, taken: set[int], what: str) -> int:
        port = processes.free_port(wanted, taken)
        if port != wanted:
            self.stdout.write(f"Le port {wanted} est déjà pris : {what} utilise le port {port}.")
        return port

    def _answers(self, address: str, web: subprocess.Popen) -> None:
        limit = time.monotonic() + 60
        while time.monotonic() < limit:
            if web.poll() is not None:
                break
            try:
                if requests.get(f"{address}/sante/", timeout=5).ok:
                    return
            except requests.RequestException:
                time.sleep(0.1)
        raise OSError(f"le portail n'a pas démarré, voir {processes.data_folder() / 'web.log'}")

    def _replay(self, stand_in: StandIn) -> None:
        stage.load_register(None, at=brussels(FIRST))
        if self._played():
            self.stdout.write("La campagne a déjà été rejouée.")
            return
        self.stdout.write("La campagne de 2024, du 30 septembre 2024 au 30 avril 2025, sur un registre inventé :")
        bar = Bar()
        try:
            summary = story.replay(FIRST, LAST, stand_in=stand_in, progress=bar)
        finally:
            bar.close()
        self.stdout.write(
            f"{summary.migrated} boîtes migrées, {summary.delivered} courriels remis : {summary.lost} perdu, "
            f"{summary.twice} en double, en {summary.seconds:.0f} s."
        )

    def _played(self) -> bool:
        return Move.objects.migrated(brussels(LAST)).exists() and not Move.objects.live().exists()

    def _tell(self, web: str, stand_in: StandIn) -> None:
        example = Mailbox.objects.filter(organisation__kind="ec").order_by("organisation__fase").first()
        address = example.address if example else ""
        self.stdout.write(f"""
La démonstration est prête. Tout y est inventé, et rien ne sort de cette machine.

  Le portail                   {web}/
  Où en est ma boîte ?         {web}/ma-boite/etat/?numero={address[:8]}
  Un souci avec la boîte ?     {web}/assistant/
  Les articles d'aide          {web}/aide/
  Le bureau des équipes        {web}/desk/
  L'administration             {web}/admin/
  Les boîtes, à lire           {stand_in.url}/

  Se connecter                 {web}/connexion/ : un clic sur une personne, sans mot de passe""")
        for person in accounts.PEOPLE:
            if not person.break_glass:
                self.stdout.write(f"    {person.name:<20} {person.what}")
        self.stdout.write(f"""
  À essayer : ouvrez l'ancienne interface ({stand_in.url}/ancien/) avec l'adresse {address}
  et le mot de passe « ancien-serveur », lisez le mail 2, puis entrez dans la nouvelle ({stand_in.url}/owa/)
  avec le mot de passe qu'il donne. Priminfo travaille par mail : {stand_in.url}/ailleurs/, adresse
  sttd@priminfo.be, même mot de passe « ancien-serveur ». Les personnes, leurs rôles, leurs écoles et le compte
  de secours : python3 dev.py run demo_accounts

Ctrl-C arrête tout ; les données restent pour la prochaine fois.""")
        self.stdout.flush()

    def _wait(self, running: list[subprocess.Popen], web: str) -> None:
        """Until Ctrl-C. What stops by itself is started again, as the container engine does in production."""
        web_port = int(web.rsplit(":", 1)[1])
        again = [lambda: processes.start_web(web_port), processes.start_worker, processes.start_beat]
        while True:
            for n, start in enumerate(again):
                if running[n].poll() is not None:
                    time.sleep(2)
                    running[n] = start()
            time.sleep(0.5)
