"""``python -m bma_portal.embedded serve FOLDER``: started by the first command that needs the servers."""

import argparse
import sys
from pathlib import Path

from .errors import EmbeddedError
from .supervisor import serve


def main() -> int:
    parser = argparse.ArgumentParser(prog="bma_portal.embedded")
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("serve", help="possède les serveurs embarqués d’un dossier").add_argument("folder", type=Path)
    arguments = parser.parse_args()
    try:
        return serve(arguments.folder)
    except EmbeddedError as error:
        sys.stderr.write(error.for_a_person())
        return 1


if __name__ == "__main__":
    sys.exit(main())
