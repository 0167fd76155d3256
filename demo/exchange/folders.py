"""The operations on folders: GetFolder, FindItem, SyncFolderItems; and ConvertId, which exchangelib asks for when it
was not told the server's version."""

import base64
import binascii

from demo.exchange.operations import FOLDERS, Call, folder_id
from demo.exchange.search import find
from demo.exchange.shapes import read_shape
from demo.exchange.soap import EwsError, M, T, attribute, clean

PAGE = 1000  # Exchange's own limits: items of one answer,
PAGE_OF_SEARCH = 250  # and of one answer to a restriction


def get_folder(call: Call) -> list[str]:
    def serve(element) -> str:
        mailbox, kind = call.folder(element)
        count = len(call.store.folder(mailbox, kind))
        return (
            f'<m:Folders><t:Folder><t:FolderId Id="{folder_id(mailbox, kind)}" ChangeKey="AQAAABYAAAA="/>'
            f'<t:ParentFolderId Id="{folder_id(mailbox, "msgfolderroot")}" ChangeKey="AQAAABYAAAA="/>'
            f"<t:FolderClass>IPF.Note</t:FolderClass><t:DisplayName>{clean(FOLDERS[kind])}</t:DisplayName>"
            f"<t:TotalCount>{count}</t:TotalCount><t:ChildFolderCount>0</t:ChildFolderCount>"
            f"<t:UnreadCount>{count}</t:UnreadCount><t:DistinguishedFolderId>{kind}</t:DistinguishedFolderId>"
            "</t:Folder></m:Folders>"
        )

    return call.each(call.element.iterfind(f"{M}FolderIds/*"), serve)


def find_item(call: Call) -> list[str]:
    shape = read_shape(call)
    view = call.element.find(f"{M}IndexedPageItemView")
    restricted = call.element.find(f"{M}Restriction") is not None
    try:
        offset = int(view.get("Offset") or 0) if view is not None else 0
        size = int(view.get("MaxEntriesReturned") or PAGE) if view is not None else PAGE
    except ValueError as error:
        raise EwsError("ErrorSchemaValidation") from error
    size = min(size, PAGE_OF_SEARCH if restricted else PAGE)

    def serve(element) -> str:
        fault = call.faults.of_item(call.name, None, "busy_item", "error")
        if fault:
            raise EwsError("ErrorServerBusy" if fault.action == "busy_item" else fault.data["code"])
        mailbox, kind = call.folder(element)
        places = find(call.element, mailbox, kind, call.store)
        page = places[offset : offset + size]
        end = offset + len(page)
        last = "true" if end >= len(places) else "false"
        items = "".join(shape.render(place, call.store) for place in page)
        return (
            f'<m:RootFolder IndexedPagingOffset="{end}" TotalItemsInView="{len(places)}" '
            f'IncludesLastItemInRange="{last}"><t:Items>{items}</t:Items></m:RootFolder>'
        )

    return call.each(call.element.iterfind(f"{M}ParentFolderIds/*"), serve)


def _read_state(value: str, owner: str) -> int:
    try:
        folder, _, seq = base64.b64decode(value, validate=True).decode().rpartition("#")
        if folder == owner:
            return int(seq)
    except (binascii.Error, ValueError) as error:
        raise EwsError("ErrorInvalidSyncStateData") from error
    raise EwsError("ErrorInvalidSyncStateData")


def sync_folder_items(call: Call) -> list[str]:
    """Changes since a state: what arrived and what was deleted (deletions are known since the last start only)."""
    shape = read_shape(call)

    def serve(element) -> str:
        mailbox, kind = call.folder(element)
        owner = f"{kind}/{mailbox}"
        state = call.element.findtext(f"{M}SyncState") or ""
        since = _read_state(state, owner) if state else 0
        limit = min(int(call.element.findtext(f"{M}MaxChangesReturned") or 100), 512)
        changes = [
            (place.seq, f"<t:Create>{shape.render(place, call.store)}</t:Create>")
            for place in call.store.folder(mailbox, kind).values()
            if place.seq > since
        ]
        changes += [
            (at, f"<t:Delete><t:ItemId Id={attribute(ews_id)}/></t:Delete>")
            for at, seq, box, folder, ews_id in call.store.deletions
            if at > since >= seq and (box, folder) == (mailbox, kind)
        ]
        changes.sort()
        page = changes[:limit]
        reached = page[-1][0] if page else since
        state = base64.b64encode(f"{owner}#{reached}".encode()).decode()
        last = "true" if len(page) == len(changes) else "false"
        return (
            f"<m:SyncState>{state}</m:SyncState><m:IncludesLastItemInRange>{last}</m:IncludesLastItemInRange>"
            f"<m:Changes>{''.join(change for _, change in page)}</m:Changes>"
        )

    return call.each(call.element.iterfind(f"{M}SyncFolderId/*"), serve)


def convert_id(call: Call) -> list[str]:
    """Nothing is converted: the question is only asked for the version that stands in the answer's header."""

    def serve(element) -> str:
        raise EwsError("ErrorInvalidIdMalformed")

    return call.each(call.element.iterfind(f"{M}SourceIds/{T}AlternateId"), serve)
