"""Signing in through the Cerbère stand-in, as a browser would: out by the button, back by the address it gives."""

from django.conf import settings
from django.test import Client

from demo.cerbere.control import Cerbere
from demo.people import STRONG


def leave(client: Client, *, next_url: str = "", stronger: bool = False) -> str:
    """The address of Cerbère that the button leads to."""
    form = {"next": next_url} | ({"renforcee": "1"} if stronger else {})
    response = client.post("/connexion/", form)
    assert response.status_code == 302, response.content.decode()[:500]
    assert response.url.startswith(settings.CERBERE_ISSUER)
    return response.url


def come_back(client: Client, address: str, cerbere: Cerbere, who: str, *, acr: str = STRONG):
    """Be somebody there, and come back: the portal's answer."""
    back = cerbere.choose(address, f"demo-{who}", acr=acr)
    assert back.startswith(settings.PORTAL_URL + "/connexion/retour/?")
    return client.get(back.removeprefix(settings.PORTAL_URL))


def walk_in(client: Client, cerbere: Cerbere, who: str, *, acr: str = STRONG, next_url: str = "", stronger=False):
    return come_back(client, leave(client, next_url=next_url, stronger=stronger), cerbere, who, acr=acr)
