"""Faults on demand: rules that say what goes wrong, for which operation, how often.

A rule is a JSON object. Every rule takes `op` ("CreateItem", "SendItem", …, "SetPassword", or "*" for any EWS
operation), `action`, and optionally `times` (how often it fires; absent or null: always), `probability` with `seed`,
and `match` ({"recipient": …} or "sender", "subject", "key": an item must agree on each). Rules are tried in order.

Of the whole request (one firing each; the first that fires decides, `delay` excepted, which adds up):

    drop_before                 the socket is closed, nothing was done
    drop_after                  all is done, the socket is closed without an answer
    truncate                    all is done, half the answer is sent
    status                      {"status": 503, "retry_after": 1, "after": false, "close": false}
    unauthorized                401, nothing was done
    busy                        SOAP fault ErrorServerBusy, BackOffMilliseconds = "ms" (1000), "after"
    fault                       SOAP fault "code", "after"
    delay                       the answer waits "ms"
    max_batch                   {"size": 20}: the items beyond it are answered ErrorBatchProcessingStopped

Of one item (each item may fire; CreateItem, SendItem, GetItem, DeleteItem):

    busy_item                   the item's own answer is ErrorServerBusy, "after"
    error                       the item's own answer is "code", "after"
    invalid_recipient           ErrorInvalidRecipients
    refuse_message_id           CreateItem: ErrorInvalidPropertySet if the item brings an InternetMessageId
    replace_message_id          CreateItem: the server puts its own Message-ID
    hold                        SendItem: accepted, but waits in Drafts as submitted for "ms" before it leaves
    late_copy                   SendItem: the copy shows up in Sent Items "ms" later
    bounce                      SendItem: nothing is delivered, a report comes back to the sender's inbox, "status"

Of the directory (op "SetPassword"): refuse (422, {"code": "weak"}), unavailable (503), apply_then_drop.

"after": true means that the work is done although the answer says otherwise.
"""

import random
from collections.abc import Callable, Iterable

from demo.exchange.messages import Mail

OPERATIONS = {
    "*", "CreateItem", "SendItem", "GetItem", "FindItem", "DeleteItem", "GetFolder", "SyncFolderItems", "ConvertId",
    "SetPassword",
}  # fmt: skip
OF_REQUEST = {
    "drop_before", "drop_after", "truncate", "status", "unauthorized", "busy", "fault", "delay", "max_batch",
}  # fmt: skip
OF_ITEM = {
    "busy_item", "error", "invalid_recipient", "refuse_message_id", "replace_message_id", "hold", "late_copy",
    "bounce",
}  # fmt: skip
OF_DIRECTORY = {"refuse", "unavailable", "apply_then_drop"}
CRITERIA = {"recipient", "sender", "subject", "key"}
NUMBERS = {"times", "probability", "status", "retry_after", "ms", "size"}


class BadRule(Exception):
    """A rule that cannot be understood."""


class Rule:
    def __init__(self, data: dict):
        if not isinstance(data, dict):
            raise BadRule("une règle est un objet")
        self.data = data
        self.op = data.get("op", "*")
        self.action = data.get("action")
        self.match = data.get("match") or {}
        self.times = data.get("times")
        self.probability = data.get("probability", 1)
        allowed = OF_DIRECTORY if self.op == "SetPassword" else OF_REQUEST | OF_ITEM
        if self.op not in OPERATIONS:
            raise BadRule(f"opération inconnue : {self.op}")
        if self.action not in allowed:
            raise BadRule(f"action inconnue pour {self.op} : {self.action}")
        if not isinstance(self.match, dict) or self.match.keys() - CRITERIA:
            raise BadRule(f"critères possibles : {', '.join(sorted(CRITERIA))}")
        for name in NUMBERS & data.keys():
            value = data[name]
            if name == "status" and self.action == "bounce":
                continue
            if value is not None and (isinstance(value, bool) or not isinstance(value, int | float) or value < 0):
                raise BadRule(f"« {name} » doit être un nombre positif")
        if self.action in ("error", "fault") and not isinstance(data.get("code"), str):
            raise BadRule("« code » manque")
        self.random = random.Random(data.get("seed"))
        self.fired = 0

    @property
    def after(self) -> bool:
        return bool(self.data.get("after"))

    def number(self, name: str, default: float) -> float:
        value = self.data.get(name)
        return default if value is None else value

    def concerns(self, op: str) -> bool:
        return self.op == op or (self.op == "*" and op != "SetPassword")

    def agrees(self, mail: Mail | None) -> bool:
        if not self.match:
            return True
        if mail is None:
            return False
        sender = (mail.author.email if mail.author else mail.sent_by).lower()
        found = {"recipient": mail.recipients(), "sender": [sender], "subject": [mail.subject], "key": [mail.key]}
        return all(
            str(value) in found[name] or str(value).lower() in found[name] for name, value in self.match.items()
        )

    def fires(self) -> bool:
        """Draw the lot and count. Called only when everything else agrees, so that a seed gives the same story."""
        if self.times is not None and self.fired >= self.times:
            return False
        if self.probability < 1 and self.random.random() >= self.probability:
            return False
        self.fired += 1
        return True


class Faults:
    def __init__(self):
        self.rules: list[Rule] = []

    def replace(self, data: object) -> None:
        if not isinstance(data, list):
            raise BadRule("une liste de règles est attendue")
        self.rules = [Rule(item) for item in data]

    def report(self) -> list[dict]:
        return [{**rule.data, "fired": rule.fired} for rule in self.rules]

    def of_request(self, op: str, mails: Callable[[], Iterable[Mail]]) -> list[Rule]:
        """Those that fire for this request: any delays, the size of the batch, and at most one that decides."""
        fired: list[Rule] = []
        decided = False
        for rule in self.rules:
            if rule.action not in OF_REQUEST or not rule.concerns(op):
                continue
            alone = rule.action not in ("delay", "max_batch")
            if alone and decided:
                continue
            if rule.match and not any(rule.agrees(mail) for mail in mails()):
                continue
            if rule.fires():
                fired.append(rule)
                decided = decided or alone
        return fired

    def of_item(self, op: str, mail: Mail | None, *actions: str) -> Rule | None:
        """The first rule that fires for this item among these actions."""
        for rule in self.rules:
            if rule.action in actions and rule.concerns(op) and rule.agrees(mail) and rule.fires():
                return rule
        return None

    def of_directory(self, address: str) -> Rule | None:
        for rule in self.rules:
            if rule.op == "SetPassword" and rule.match.get("recipient", address) == address and rule.fires():
                return rule
        return None
