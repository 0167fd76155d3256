"""Everything that one port serves, by path: EWS, the JSON door, the pages."""

import logging
import re
from http import HTTPStatus

from demo.exchange.control_api import ControlApi, answer_json
from demo.exchange.ews import PATH, Endpoint
from demo.exchange.faults import Faults
from demo.exchange.http import Reply, Request
from demo.exchange.rights import Rights
from demo.exchange.soap import EwsError, fault
from demo.exchange.store import Store
from demo.exchange.webmail import Webmail

logger = logging.getLogger("demo.exchange")

LOOPBACK = re.compile(r"(localhost|127(\.[0-9]{1,3}){3}|\[::1\])(:[0-9]+)?", re.IGNORECASE)


class Site:
    def __init__(self, store: Store, rights: Rights):
        self.store = store
        self.endpoint = Endpoint(store, rights, Faults())
        self.control = ControlApi(store, self.endpoint)
        self.webmail = Webmail(store, rights)

    def handle(self, request: Request) -> Reply:
        try:
            if request.path.lower() == PATH.lower():
                return self.endpoint.answer(request)
            return self._local(request)
        except Exception:
            # The last resort of a server: one bad request must not take the others' mail away.
            logger.exception("%s %s", request.method, request.path)
            if request.path.lower() == PATH.lower():
                return fault(EwsError("ErrorInternalServerError"))
            return answer_json({"code": "internal"}, HTTPStatus.INTERNAL_SERVER_ERROR)

    def _local(self, request: Request) -> Reply:
        """Pages and JSON, for this machine's own browser and programs.

        A page of another site could aim a browser at the loopback: by a name of its own that resolves to it (the
        Host tells), or by a form or a script (the Origin tells).
        """
        host = request.headers.get("host", "")
        if not LOOPBACK.fullmatch(host):
            return Reply(HTTPStatus.MISDIRECTED_REQUEST)
        origin = request.headers.get("origin")
        if request.method not in ("GET", "HEAD") and origin not in (None, f"http://{host}"):
            return answer_json({"code": "origin", "message": "autre origine"}, HTTPStatus.FORBIDDEN)
        if request.path.startswith("/_demo/"):
            return self.control.answer(request)
        return self.webmail.answer(request)
