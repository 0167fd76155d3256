"""The door of the EWS endpoint: sign-in, faults, operation, answer."""

from http import HTTPStatus

from demo.exchange import folders, operations
from demo.exchange.faults import Faults, Rule
from demo.exchange.http import Reply, Request
from demo.exchange.operations import Call
from demo.exchange.rights import Rights
from demo.exchange.soap import EwsError, M, SoapFault, fault, read_envelope, responses
from demo.exchange.store import Store

PATH = "/EWS/Exchange.asmx"

OPERATIONS = {
    "CreateItem": operations.create_item,
    "SendItem": operations.send_item,
    "GetItem": operations.get_item,
    "DeleteItem": operations.delete_item,
    "GetFolder": folders.get_folder,
    "FindItem": folders.find_item,
    "SyncFolderItems": folders.sync_folder_items,
    "ConvertId": folders.convert_id,
}


def unauthorized() -> Reply:
    return Reply(HTTPStatus.UNAUTHORIZED, headers=(("WWW-Authenticate", 'Basic realm="exchange"'),))


class Endpoint:
    def __init__(self, store: Store, rights: Rights, faults: Faults):
        self.store = store
        self.rights = rights
        self.faults = faults
        self.latency = 0.0  # seconds before every answer; the work itself is done at once
        self.requests: dict[str, int] = {}

    def answer(self, request: Request) -> Reply:
        account = self.rights.sign_in(request.headers.get("authorization", ""))
        if account is None:
            return unauthorized()
        if request.method != "POST":
            return Reply(HTTPStatus.METHOD_NOT_ALLOWED, headers=(("Allow", "POST"),))
        try:
            header, element = read_envelope(request.body)
            name = element.tag[len(M) :] if element.tag.startswith(M) else ""
            if name not in OPERATIONS:
                raise SoapFault("ErrorInvalidOperation")
            self.requests[name] = self.requests.get(name, 0) + 1
            principal = self.rights.principal(account, header)
            call = Call(name, element, principal, self.rights, self.store, self.faults)
            reply = self._serve(call) if self.faults.rules else self._do(call)
        except EwsError as error:
            reply = fault(error)
        reply.delay += self.latency
        return reply

    def _do(self, call: Call) -> Reply:
        return responses(call.name, OPERATIONS[call.name](call))

    def _serve(self, call: Call) -> Reply:
        rules = self.faults.of_request(call.name, lambda: list(call.peek()))
        delay = 0.0
        decisive = None
        for rule in rules:
            if rule.action == "delay":
                delay += rule.number("ms", 1000) / 1000
            elif rule.action == "max_batch":
                call.batch = int(rule.number("size", 20))
            else:
                decisive = rule
        reply = self._do(call) if decisive is None else self._spoil(call, decisive)
        reply.delay += delay
        return reply

    def _spoil(self, call: Call, rule: Rule) -> Reply:
        """The answer under a rule that decides; the work is done or not, as the rule says."""
        done = rule.action in ("drop_after", "truncate") or rule.after
        whole = self._do(call) if done else Reply(HTTPStatus.OK)
        match rule.action:
            case "drop_before" | "drop_after":
                whole.fate = Reply.UNSENT
                return whole
            case "truncate":
                whole.fate = Reply.HALF
                return whole
            case "unauthorized":
                return unauthorized()
            case "busy":
                return fault(SoapFault("ErrorServerBusy", back_off_ms=int(rule.number("ms", 1000))))
            case "fault":
                return fault(SoapFault(rule.data["code"]))
        headers = []
        if rule.data.get("retry_after") is not None:
            headers.append(("Retry-After", str(int(rule.number("retry_after", 1)))))
        if rule.data.get("close"):
            headers.append(("Connection", "close"))
        return Reply(int(rule.number("status", 503)), headers=tuple(headers))
