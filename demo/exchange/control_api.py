"""The JSON door under `/_demo/`, for tests, replays, benches and the demo's directory.

    GET  /_demo/health                       {"ok": true, "pid": …, "requests": {operation: n}, "cpu": seconds}
    GET  /_demo/deliveries?after=SEQ&limit=  {"deliveries": [{seq, time, real, key, message_id, from, to, subject}]}
    GET  /_demo/counts                       {"delivered", "by_key_max", "drafts", "sent_items", "duplicates"}
    GET  /_demo/mailboxes/ADDRESS            {"address", "moved_at", "mails": [{…, "text", "html", "old"}]}
    POST /_demo/reset                        everything is forgotten, faults and latency too
    GET, POST /_demo/faults                  the rules (see `faults`), with how often each fired
    POST /_demo/latency {"ms": 50}           every EWS answer waits
    PUT  /_demo/directory/ADDRESS {"password": …}           204
    POST /_demo/directory/ADDRESS/verify {"password": …}    200 or 401
    POST /_demo/inboxes/ADDRESS?size=  a raw MIME arrives in a sender's inbox: 201 {"id": …}; its weight if not its own
    POST /_demo/moves {"addresses": […], "at": ISO}         a date to come is an announcement
    POST /_demo/clock {"at": ISO | null}     the business time mails are received at; null: real time

It has no password: the server listens on the loopback only, and requests that a browser makes for another site are
refused by `site`. What it guards is invented.
"""

import json
import os
import time
from datetime import UTC, datetime
from http import HTTPStatus

from demo.exchange.ews import Endpoint
from demo.exchange.faults import BadRule
from demo.exchange.http import JSON, Reply, Request
from demo.exchange.mime import as_text
from demo.exchange.replies import arrive
from demo.exchange.store import HOLDER, Store


class Refused(Exception):
    def __init__(self, status: HTTPStatus, message: str, code: str = "invalid"):
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code


def answer_json(data: object, status: int = HTTPStatus.OK) -> Reply:
    return Reply(status, json.dumps(data, ensure_ascii=False).encode(), JSON)


def moment(value: object) -> datetime:
    """An ISO moment; without a zone it is UTC."""
    try:
        at = datetime.fromisoformat(value)  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise Refused(HTTPStatus.BAD_REQUEST, "« at » doit être une date ISO 8601") from error
    return at if at.tzinfo else at.replace(tzinfo=UTC)


class ControlApi:
    def __init__(self, store: Store, endpoint: Endpoint):
        self.store = store
        self.endpoint = endpoint
        self.faults = endpoint.faults

    def answer(self, request: Request) -> Reply:
        try:
            return self._route(request, request.segments()[1:])
        except Refused as error:
            return answer_json({"code": error.code, "message": error.message}, error.status)
        except BadRule as error:
            return answer_json({"code": "invalid", "message": str(error)}, HTTPStatus.BAD_REQUEST)

    def _route(self, request: Request, path: list[str]) -> Reply:
        match request.method, path:
            case "GET", ["health"]:
                return answer_json(
                    {"ok": True, "pid": os.getpid(), "requests": self.endpoint.requests, "cpu": time.process_time()}
                )
            case "GET", ["deliveries"]:
                return self._deliveries(request)
            case "GET", ["counts"]:
                return answer_json(self.store.counts())
            case "GET", ["mailboxes", address]:
                return self._mailbox(holder(address))
            case "POST", ["reset"]:
                self.store.reset()
                self.faults.replace([])
                self.endpoint.latency = 0.0
                return answer_json({"ok": True})
            case "GET", ["faults"]:
                return answer_json(self.faults.report())
            case "POST", ["faults"]:
                self.faults.replace(read(request, list))
                return answer_json(self.faults.report())
            case "POST", ["latency"]:
                return self._latency(read(request))
            case "PUT", ["directory", address]:
                return self._set_password(holder(address), read(request))
            case "POST", ["directory", address, "verify"]:
                right = self.store.verify(holder(address), password(read(request)))
                return answer_json({"ok": right}, HTTPStatus.OK if right else HTTPStatus.UNAUTHORIZED)
            case "POST", ["inboxes", address]:
                return self._arrive(address.strip().lower(), request)
            case "POST", ["moves"]:
                return self._moves(read(request))
            case "POST", ["clock"]:
                at = read(request).get("at")
                self.store.set_clock(None if at is None else moment(at))
                return answer_json({"at": self.store.now().isoformat()})
        raise Refused(HTTPStatus.NOT_FOUND, "adresse inconnue", "unknown")

    def _deliveries(self, request: Request) -> Reply:
        arguments = request.arguments()
        try:
            after, limit = int(arguments.get("after", 0)), int(arguments.get("limit", 1000))
        except ValueError as error:
            raise Refused(HTTPStatus.BAD_REQUEST, "« after » et « limit » sont des nombres") from error
        after, limit = max(after, 0), max(limit, 0)
        # The log is numbered from 1 without holes.
        return answer_json({"deliveries": [row.as_dict() for row in self.store.log[after : after + limit]]})

    def _mailbox(self, address: str) -> Reply:
        moved_at = self.store.moves.get(address)
        mails = []
        for place in reversed(self.store.received(address, old_only=False)):
            mail = self.store.filled(place.mail)
            mails.append(
                {
                    "received": place.at.isoformat(),
                    "old": place.old,
                    "from": mail.sent_by,
                    "subject": mail.subject,
                    "message_id": mail.message_id,
                    "key": mail.key,
                    "headers": mail.headers(),
                    "text": as_text(mail),
                    "html": mail.body if mail.body_type == "HTML" else "",
                    "attachments": mail.attachment_names,
                }
            )
        return answer_json(
            {"address": address, "moved_at": moved_at.isoformat() if moved_at else None, "mails": mails}
        )

    def _arrive(self, address: str, request: Request) -> Reply:
        if address not in self.endpoint.rights.senders:
            raise Refused(HTTPStatus.NOT_FOUND, f"boîte inconnue : {address}", "unknown")
        try:
            size = int(request.arguments().get("size", len(request.body)))
        except ValueError as error:
            raise Refused(HTTPStatus.BAD_REQUEST, "« size » est un nombre") from error
        place = arrive(self.store, address, request.body, size=size)
        return answer_json({"id": place.ews_id}, HTTPStatus.CREATED)

    def _latency(self, data: dict) -> Reply:
        ms = data.get("ms")
        if isinstance(ms, bool) or not isinstance(ms, int | float) or not 0 <= ms <= 600_000:
            raise Refused(HTTPStatus.BAD_REQUEST, "« ms » doit être un nombre positif")
        self.endpoint.latency = ms / 1000
        return answer_json({"ms": ms})

    def _set_password(self, address: str, data: dict) -> Reply:
        secret = password(data)
        rule = self.faults.of_directory(address) if self.faults.rules else None
        if rule and rule.action == "refuse":
            raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, "mot de passe refusé", "weak")
        if rule and rule.action == "unavailable":
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, "annuaire indisponible", "unavailable")
        self.store.set_password(address, secret)
        reply = Reply(HTTPStatus.NO_CONTENT)
        if rule:
            reply.fate = Reply.UNSENT
        return reply

    def _moves(self, data: dict) -> Reply:
        addresses = data.get("addresses")
        if not isinstance(addresses, list) or not all(isinstance(address, str) for address in addresses):
            raise Refused(HTTPStatus.BAD_REQUEST, "« addresses » doit être une liste d'adresses")
        known = list(dict.fromkeys(holder(address) for address in addresses))
        at = moment(data.get("at")) if data.get("at") is not None else self.store.now()
        fresh = self.store.move(known, at)
        return answer_json({"moved": fresh, "already": len(known) - fresh})


def read(request: Request, kind: type = dict):
    try:
        data = json.loads(request.body or b"null")
    except ValueError as error:
        raise Refused(HTTPStatus.BAD_REQUEST, "JSON illisible") from error
    if not isinstance(data, kind):
        raise Refused(
            HTTPStatus.BAD_REQUEST, "un objet JSON est attendu" if kind is dict else "une liste est attendue"
        )
    return data


def password(data: dict) -> str:
    secret = data.get("password")
    if not isinstance(secret, str) or not secret:
        raise Refused(HTTPStatus.BAD_REQUEST, "« password » manque")
    return secret


def holder(address: str) -> str:
    address = address.strip().lower()
    if not HOLDER.fullmatch(address):
        raise Refused(HTTPStatus.NOT_FOUND, f"boîte inconnue : {address}", "unknown")
    return address
