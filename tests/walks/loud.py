"""Makes the capped libraries print what they would: `python -m tests.walks.loud EWS URL WORD WORD WORD WORD`.

The words: of a mail to Exchange, of a password to a directory, of an address that is asked, of a line of any logger.
"""

import logging
import sys
import warnings

import django


def mail(exchange: str, body: str) -> None:
    from exchangelib import HTMLBody

    from tests.demo.mailer import Mailer

    mailer = Mailer(exchange, "svc-bma@exemple.test", "demo-exchange")
    mailer.draft(mailer.message(body=HTMLBody(f"<p>{body}</p>")))


def bind(password: str) -> None:
    import ldap3
    from ldap3.utils import log

    log.set_library_log_activation_level(logging.DEBUG)
    log.set_library_log_detail_level(log.EXTENDED)
    log.set_library_log_hide_sensitive_data(False)
    server = ldap3.Server("annuaire.exemple.test", get_info=ldap3.NONE)
    ldap3.Connection(server, user="cn=x", password=password, client_strategy=ldap3.MOCK_SYNC).bind()


def ask(url: str, word: str) -> None:
    import urllib3

    urllib3.PoolManager().request("GET", f"{url}/_demo/health?mot={word}")


def every_name(word: str) -> None:
    """Each logger that these libraries have, at the levels under its cap."""
    names = {"exchangelib.inconnu", "ldap3.inconnu", "urllib3.inconnu", *logging.Logger.manager.loggerDict}
    for name in sorted(names):
        if name.partition(".")[0] in {"exchangelib", "ldap3", "urllib3"}:
            for level in (logging.DEBUG, logging.INFO):
                logging.getLogger(name).log(level, "%s dit %s", name, word)
    logging.getLogger("exchangelib.util").error("%s", word)


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # ldap3's
    django.setup()
    exchange, url, body, password, path, name = sys.argv[1:]
    mail(exchange, body)
    bind(password)
    ask(url, path)
    every_name(name)
    logging.getLogger("un.autre").debug("fin")
