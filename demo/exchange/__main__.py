"""`python -m demo.exchange`: start the stand-in, say in one line of JSON where it is, serve until told to stop."""

import argparse
import asyncio
import ctypes
import ipaddress
import json
import logging
import os
import signal
import sys
from pathlib import Path

from demo.exchange.archive import Taken
from demo.exchange.ews import PATH
from demo.exchange.http import Connection
from demo.exchange.rights import SENDERS, SERVICE, Rights
from demo.exchange.site import Site
from demo.exchange.store import Store

PR_SET_PDEATHSIG = 1


class Unable(Exception):
    """Why the stand-in cannot start, in French, for the person who typed the command."""

    def __init__(self, message: str, status: int = 1):
        super().__init__(message)
        self.status = status


def read_arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m demo.exchange", description="Doublure d'Exchange pour la démo.")
    parser.add_argument("--port", type=int, default=8001, help="0 : le système choisit")
    parser.add_argument("--host", default="127.0.0.1", help="une adresse de la boucle locale")
    parser.add_argument("--data", type=Path, help="dossier où garder l'état ; sans lui, tout reste en mémoire")
    parser.add_argument(
        "--user", action="append", metavar="NOM:MOTDEPASSE", help="la première est le compte de service"
    )
    parser.add_argument("--sender", action="append", metavar="ADRESSE", help="boîte d'expédition")
    parser.add_argument("--parent", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    for user in options.user or ():
        if ":" not in user.strip(":"):
            raise Unable(f"« {user.partition(':')[0]} » : l'option --user attend NOM:MOTDEPASSE.", 2)
    if not is_loopback(options.host):
        raise Unable(f"L'adresse {options.host} n'est pas une adresse locale : la démo n'écoute que sur 127.0.0.1.", 2)
    if not 0 <= options.port <= 65535:
        raise Unable(f"Le port {options.port} n'existe pas.", 2)
    return options


def is_loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def die_with(parent: int) -> None:
    """Stop when the process that started us ends, however it ends. Linux only; elsewhere `stop()` does it."""
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it was already gone
        os.kill(os.getpid(), signal.SIGTERM)


async def serve(options: argparse.Namespace) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if options.parent:
        die_with(options.parent)
    users = [user.split(":", 1) for user in options.user or ()] or [SERVICE]
    rights = Rights(((name, password) for name, password in users), options.sender or SENDERS)
    try:
        store = Store(options.data)
    except Taken as error:
        raise Unable(f"Une autre doublure d'Exchange travaille déjà dans « {options.data} ».") from error
    except OSError as error:
        raise Unable(f"Le dossier « {options.data} » ne peut pas être utilisé ({error.strerror}).") from error
    try:
        site = Site(store, rights)
        alive: set[Connection] = set()
        try:
            server = await loop.create_server(lambda: Connection(site.handle, alive), options.host, options.port)
        except OSError as error:
            raise Unable(
                f"Le port {options.port} est déjà pris sur {options.host} : choisissez-en un autre avec --port."
            ) from error
        host, port = server.sockets[0].getsockname()[:2]
        url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        sys.stdout.write(json.dumps({"url": url, "ews": url + PATH}) + "\n")
        sys.stdout.flush()
        await stop.wait()
        server.close()
        for connection in list(alive):
            connection.transport.close()
    finally:
        store.close()


def main(argv: list[str] | None = None) -> int:
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="exchange: %(message)s")
    try:
        asyncio.run(serve(read_arguments(argv)))
    except Unable as error:
        sys.stderr.write(f"{error}\n")
        return error.status
    return 0


if __name__ == "__main__":
    sys.exit(main())
