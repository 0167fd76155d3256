"""`python -m bma_portal.probe`: does the portal answer? Asked by the container engine, from inside. Plain Python."""

import os
import sys
from urllib.error import URLError
from urllib.request import ProxyHandler, Request, build_opener

# Without a proxy that the environment may name: the portal is on this machine.
ask = build_opener(ProxyHandler({})).open


def main() -> int:
    port = os.environ.get("PORT", "8000")
    # The portal answers to its own names only, and we come by another.
    name = os.environ.get("ALLOWED_HOSTS", "localhost").split(",")[0].strip().lstrip(".")
    try:
        with ask(Request(f"http://127.0.0.1:{port}/sante/", headers={"Host": name}), timeout=5) as answer:
            return 0 if answer.status == 200 else 1
    except (URLError, OSError) as error:
        sys.stderr.write(f"Le portail ne répond pas : {error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
