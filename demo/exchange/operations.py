"""The operations on items: CreateItem, SendItem, GetItem, DeleteItem."""

import asyncio
import re
import secrets
from collections.abc import Callable, Iterator

from demo.exchange.faults import Faults
from demo.exchange.messages import Mail, read_message
from demo.exchange.mime import DOMAIN, non_delivery
from demo.exchange.rights import Principal, Rights
from demo.exchange.shapes import Shape
from demo.exchange.soap import EwsError, M, T, failure, success
from demo.exchange.store import Place, Store

# What Exchange itself would refuse at once. Most nonsense is accepted and bounces later.
ADDRESS = re.compile(r"[^@\s<>(),;:\\\"\[\]]+@[^@\s<>(),;:\\\"\[\]]+\.[^@\s<>(),;:\\\"\[\].]+")

FOLDERS = {
    "root": "", "msgfolderroot": "Banque d'informations", "inbox": "Boîte de réception", "drafts": "Brouillons",
    "sentitems": "Éléments envoyés", "outbox": "Boîte d'envoi", "deleteditems": "Éléments supprimés",
    "junkemail": "Courrier indésirable",
}  # fmt: skip


class Call:
    """One request being served: who asks, what, and the means to do it."""

    def __init__(self, name: str, element, principal: Principal, rights: Rights, store: Store, faults: Faults):
        self.name = name
        self.element = element
        self.principal = principal
        self.rights = rights
        self.store = store
        self.faults = faults
        self.batch: int | None = None

    def folder(self, element) -> tuple[str, str]:
        """(mailbox, folder) named by a FolderId or a DistinguishedFolderId, if one may open it."""
        name = element.get("Id") or ""
        if element.tag == f"{T}FolderId":
            kind, mailbox = read_folder_id(name)
        else:
            kind, mailbox = name.lower(), element.findtext(f"{T}Mailbox/{T}EmailAddress") or ""
        if kind not in FOLDERS:
            raise EwsError("ErrorFolderNotFound")
        return self.rights.open(self.principal, mailbox), kind

    def place(self, element) -> Place:
        """The item named by an ItemId."""
        ews_id = element.get("Id") or ""
        place = self.store.places.get(ews_id)
        if place is None:
            raise EwsError("ErrorItemNotFound" if self.store.is_id(ews_id) else "ErrorInvalidIdMalformed")
        self.rights.open(self.principal, place.mailbox)
        return place

    def place_to_change(self, element) -> Place:
        place = self.place(element)
        changekey = element.get("ChangeKey")
        if not changekey:
            raise EwsError("ErrorChangeKeyRequired")
        if changekey != place.changekey:
            raise EwsError("ErrorStaleObject")
        return place

    def peek(self) -> Iterator[Mail]:
        """The mails a request is about, for the faults that ask; what cannot be read is not there."""
        for element in self.element.iterfind(f"{M}ItemIds/{T}ItemId"):
            if place := self.store.places.get(element.get("Id") or ""):
                yield place.mail
        if self.name == "CreateItem":
            for element in self.element.iterfind(f"{M}Items/*"):
                try:
                    yield read_message(element)
                except EwsError:
                    continue

    def each(self, elements, serve: Callable) -> list[str]:
        """Serve each item for itself: its refusal is its own answer and stops nobody else."""
        answers = []
        for rank, element in enumerate(elements):
            try:
                if self.batch is not None and rank >= self.batch:
                    raise EwsError("ErrorBatchProcessingStopped")
                answers.append(success(self.name, serve(element)))
            except EwsError as error:
                answers.append(failure(self.name, error))
        return answers

    def item_fault(self, mail: Mail) -> EwsError | None:
        """Raise what must fail before the work; return what must be said after it."""
        if not self.faults.rules:
            return None
        rule = self.faults.of_item(self.name, mail, "busy_item", "error", "invalid_recipient")
        if rule is None:
            return None
        codes = {"busy_item": "ErrorServerBusy", "invalid_recipient": "ErrorInvalidRecipients"}
        error = EwsError(codes.get(rule.action) or rule.data["code"])
        if rule.after and rule.action != "invalid_recipient":
            return error
        raise error


def folder_id(mailbox: str, kind: str) -> str:
    return f"AAMkAF{f'{kind}/{mailbox}'.encode().hex()}"


def read_folder_id(value: str) -> tuple[str, str]:
    try:
        kind, _, mailbox = bytes.fromhex(value.removeprefix("AAMkAF")).decode().partition("/")
    except ValueError as error:
        raise EwsError("ErrorInvalidIdMalformed") from error
    return kind, mailbox


def create_item(call: Call) -> list[str]:
    disposition = call.element.get("MessageDisposition")
    if disposition not in ("SaveOnly", "SendOnly", "SendAndSaveCopy"):
        raise EwsError("ErrorSchemaValidation")
    target = call.element.find(f"{M}SavedItemFolderId")

    def folder(default: str) -> tuple[str, str]:
        return call.folder(target[0]) if target is not None else (call.principal.address, default)

    def serve(element) -> str:
        mail = read_message(element)
        said_after = call.item_fault(mail)
        if call.faults.rules:
            if mail.message_id and call.faults.of_item(call.name, mail, "refuse_message_id"):
                raise EwsError("ErrorInvalidPropertySet")
            if call.faults.of_item(call.name, mail, "replace_message_id"):
                mail.message_id = ""
        # Exchange gives a draft its Message-ID as soon as it is saved.
        mail.message_id = mail.message_id or f"<{secrets.token_hex(16)}@{DOMAIN}>"
        mail.sent_by = mail.author.email if mail.author else call.principal.address
        answer = "<m:Items/>"
        if disposition == "SaveOnly":
            place = call.store.add(mail, *folder("drafts"))
            answer = (
                f'<m:Items><t:Message><t:ItemId Id="{place.ews_id}" ChangeKey="{place.changekey}"/></t:Message>'
                "</m:Items>"
            )
        else:
            if disposition == "SendOnly" and mail.sent_by.lower() != call.principal.address:
                raise EwsError("ErrorAccessDenied", "SendOnly is not supported for delegates.")
            copy_to = folder("sentitems") if disposition == "SendAndSaveCopy" else None
            try:
                leave(call, mail, copy_to)
            except EwsError as error:
                if error.code == "ErrorSendAsDenied" and copy_to:
                    call.store.add(mail, copy_to[0], "drafts")
                raise
        if said_after:
            raise said_after
        return answer

    return call.each(call.element.iterfind(f"{M}Items/*"), serve)


def send_item(call: Call) -> list[str]:
    save = call.element.get("SaveItemToFolder") == "true"
    target = call.element.find(f"{M}SavedItemFolderId")

    def serve(element) -> str:
        place = call.place_to_change(element)
        if place.folder != "drafts" or place.submitted:
            raise EwsError("ErrorItemNotFound")
        mail = place.mail
        said_after = call.item_fault(mail)
        copy_to = None
        if save:
            copy_to = call.folder(target[0]) if target is not None else (place.mailbox, "sentitems")
        hold = call.faults.of_item(call.name, mail, "hold") if call.faults.rules else None
        if hold:
            check(call, mail)
            place.submitted = True
            asyncio.get_running_loop().call_later(hold.number("ms", 1000) / 1000, _release, call, place, copy_to)
        else:
            leave(call, mail, copy_to)
            call.store.remove(place)
        if said_after:
            raise said_after
        return ""

    return call.each(call.element.iterfind(f"{M}ItemIds/{T}ItemId"), serve)


def _release(call: Call, place: Place, copy_to) -> None:
    """A held mail leaves, unless its draft was deleted meanwhile."""
    if call.store.places.get(place.ews_id) is place:
        leave(call, place.mail, copy_to)
        call.store.remove(place)


def check(call: Call, mail: Mail) -> list[str]:
    """The recipients, if this account may send this mail to them."""
    sent_by = call.rights.send_as(call.principal, mail.author.email if mail.author else "")
    if sent_by != mail.sent_by:
        mail.sent_by = sent_by
        call.store.changed(mail)
    recipients = mail.recipients()
    if not recipients:
        raise EwsError("ErrorMissingRecipients")
    if not all(ADDRESS.fullmatch(address) for address in recipients):
        raise EwsError("ErrorInvalidRecipients")
    return recipients


def leave(call: Call, mail: Mail, copy_to: tuple[str, str] | None) -> None:
    """Deliver, and keep a copy if asked to."""
    recipients = check(call, mail)
    store, bounce, late = call.store, None, None
    if call.faults.rules:
        bounce = call.faults.of_item(call.name, mail, "bounce")
        late = call.faults.of_item(call.name, mail, "late_copy")
    if copy_to and late:
        store.add_later(late.number("ms", 1000) / 1000, mail, *copy_to)
    elif copy_to:
        store.add(mail, *copy_to)
    if bounce is None:
        store.deliver(mail, recipients)
        return
    unreachable = bounce.match.get("recipient", recipients[0])
    store.deliver(mail, [address for address in recipients if address != unreachable])
    report = non_delivery(mail, unreachable, str(bounce.data.get("status", "5.1.10")), store.now())
    store.add(report, mail.sent_by.lower(), "inbox")


def get_item(call: Call) -> list[str]:
    shape = Shape.read(call.element.find(f"{M}ItemShape"))

    def serve(element) -> str:
        place = call.place(element)
        said_after = call.item_fault(place.mail)
        if said_after:
            raise said_after
        return f"<m:Items>{shape.render(place, call.store)}</m:Items>"

    return call.each(call.element.iterfind(f"{M}ItemIds/{T}ItemId"), serve)


def delete_item(call: Call) -> list[str]:
    keep = call.element.get("DeleteType") == "MoveToDeletedItems"

    def serve(element) -> str:
        place = call.place(element)
        said_after = call.item_fault(place.mail)
        if keep and place.folder != "deleteditems":
            call.store.add(place.mail, place.mailbox, "deleteditems")
        call.store.remove(place)
        if said_after:
            raise said_after
        return ""

    return call.each(call.element.iterfind(f"{M}ItemIds/{T}ItemId"), serve)
