"""`python -m demo.cerbere`: start the stand-in, say in one line of JSON where it is, serve until told to stop."""

import argparse
import asyncio
import json
import logging
import signal
import sys

from demo.cerbere.site import Site
from demo.exchange.__main__ import Unable, die_with, is_loopback
from demo.exchange.http import Connection


def read_arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m demo.cerbere", description="Doublure de Cerbère pour la démo.")
    parser.add_argument("--port", type=int, default=8002, help="0 : le système choisit")
    parser.add_argument("--host", default="127.0.0.1", help="une adresse de la boucle locale")
    parser.add_argument("--parent", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if not is_loopback(options.host):
        raise Unable(f"L'adresse {options.host} n'est pas une adresse locale : la démo n'écoute que sur 127.0.0.1.", 2)
    if not 0 <= options.port <= 65535:
        raise Unable(f"Le port {options.port} n'existe pas.", 2)
    return options


async def serve(options: argparse.Namespace) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if options.parent:
        die_with(options.parent)
    site = Site()
    alive: set[Connection] = set()
    try:
        server = await loop.create_server(lambda: Connection(site.handle, alive), options.host, options.port)
    except OSError as error:
        raise Unable(
            f"Le port {options.port} est déjà pris sur {options.host} : choisissez-en un autre avec --port."
        ) from error
    host, port = server.sockets[0].getsockname()[:2]
    site.issuer = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    sys.stdout.write(json.dumps({"url": site.issuer}) + "\n")
    sys.stdout.flush()
    await stop.wait()
    server.close()
    for connection in list(alive):
        connection.transport.close()


def main(argv: list[str] | None = None) -> int:
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="cerbere: %(message)s")
    try:
        asyncio.run(serve(read_arguments(argv)))
    except Unable as error:
        sys.stderr.write(f"{error}\n")
        return error.status
    return 0


if __name__ == "__main__":
    sys.exit(main())
