#!/usr/bin/env python3
"""Django's command line, with the embedded PostgreSQL and Valkey of this checkout when no others are given."""

import argparse
import os
import sys

DEFAULT_SETTINGS = "bma_portal.settings.development"
TALKERS = {"help", "version", "--help", "-h", "--version"}  # read the settings, connect to nothing
# Those one needs to repair a schema whose migrations fail: they find the servers, and the schema as it is.
SCHEMA_COMMANDS = {
    "dbshell",
    "makemigrations",
    "migrate",
    "optimizemigration",
    "showmigrations",
    "sqlmigrate",
    "squashmigrations",
}


def choose_settings(arguments: list[str]) -> None:
    """Django reads ``--settings`` only later, and the servers depend on it: production has none embedded."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--settings")
    try:
        given = parser.parse_known_args(arguments)[0].settings
    except argparse.ArgumentError:  # Django says it better
        given = None
    if given:
        os.environ["DJANGO_SETTINGS_MODULE"] = given
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", DEFAULT_SETTINGS)


def files_apart(argv: list[str]) -> list[str]:
    """Django takes any ``--settings`` for a module; one that names a JSON file is the command's (plan_campaign)."""
    found = list(argv)
    for n, argument in enumerate(argv):
        name, _, value = argument.partition("=")
        if name == "--settings" and (value or "".join(argv[n + 1 : n + 2])).endswith(".json"):
            found[n] = argument.replace("--settings", "--settings-file", 1)
    return found


def prepare_servers(arguments: list[str]) -> None:
    from bma_portal.embedded import ensure_environment

    command = arguments[0] if arguments else "help"
    only_talks = command in TALKERS or "--help" in arguments or "-h" in arguments
    ensure_environment(migrate=command not in SCHEMA_COMMANDS, start=not only_talks)


def refuse(message: str) -> int:
    sys.stderr.write(f"{message}\n")
    return 1


def main(argv: list[str]) -> int:
    argv = files_apart(argv)
    arguments = argv[1:]
    try:
        from django.core.exceptions import ImproperlyConfigured
        from django.core.management import execute_from_command_line
        from django.db.utils import OperationalError
    except ImportError:
        return refuse("Django n’est pas installé ici. Lancez plutôt : python3 dev.py run COMMANDE")
    choose_settings(arguments)
    try:
        prepare_servers(arguments)
        execute_from_command_line(argv)
    except ImproperlyConfigured as error:
        if "--traceback" in arguments:
            raise
        return refuse(f"Configuration incorrecte : {error}")
    except OperationalError as error:
        # Without a code from the server, there was no server to give one.
        if "--traceback" in arguments or getattr(error.__cause__, "pgcode", None):
            raise
        reason = (str(error).strip().splitlines() or [""])[0]
        return refuse(
            f"La base de données ne répond pas : vérifiez DATABASE_URL et que le serveur tourne.\n  | {reason}"
        )
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
