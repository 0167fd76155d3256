"""FindItem's restrictions and sort orders, turned into Python functions over places."""

from collections.abc import Callable
from datetime import UTC, datetime

from demo.exchange.messages import property_key
from demo.exchange.soap import EwsError, M, T
from demo.exchange.store import Place, Store

Value = str | list[str] | bool | int | datetime | None

FIELDS: dict[str, Callable[[Place], Value]] = {
    "item:Subject": lambda place: place.mail.subject,
    "item:ItemClass": lambda place: place.mail.item_class,
    "item:Categories": lambda place: place.mail.categories,
    "item:Importance": lambda place: place.mail.importance,
    "item:InReplyTo": lambda place: place.mail.in_reply_to or None,
    "item:Size": lambda place: place.mail.size,
    "item:HasAttachments": lambda place: bool(place.mail.attachment_names),
    "item:IsDraft": lambda place: place.folder == "drafts",
    "item:IsSubmitted": lambda place: place.submitted,
    "item:DateTimeReceived": lambda place: place.at.replace(microsecond=0),
    "item:DateTimeCreated": lambda place: place.at.replace(microsecond=0),
    "item:DateTimeSent": lambda place: place.at.replace(microsecond=0),
    "item:DisplayTo": lambda place: "; ".join(person.name or person.email for person in place.mail.to),
    "message:InternetMessageId": lambda place: place.mail.message_id,
    "message:References": lambda place: place.mail.references or None,
    "message:From": lambda place: place.mail.sent_by,
    "message:IsRead": lambda place: False,
}

COMPARE: dict[str, Callable] = {
    "IsEqualTo": lambda found, wanted: wanted in found if isinstance(found, list) else found == wanted,
    "IsNotEqualTo": lambda found, wanted: wanted not in found if isinstance(found, list) else found != wanted,
    "IsGreaterThan": lambda found, wanted: found > wanted,
    "IsGreaterThanOrEqualTo": lambda found, wanted: found >= wanted,
    "IsLessThan": lambda found, wanted: found < wanted,
    "IsLessThanOrEqualTo": lambda found, wanted: found <= wanted,
}

Test = Callable[[Place], bool]


def _getter(uri) -> Callable[[Place], Value]:
    if uri.tag == f"{T}ExtendedFieldURI":
        key = property_key(uri)
        return lambda place: place.mail.properties.get(key)
    field = FIELDS.get(uri.get("FieldURI") or "")
    if field is None:
        raise EwsError("ErrorUnsupportedPathForQuery", f"Unsupported path: {uri.get('FieldURI')}")
    return field


def _uri(element):
    for child in element:
        if child.tag in (f"{T}FieldURI", f"{T}ExtendedFieldURI"):
            return child
    raise EwsError("ErrorInvalidRestriction")


def _constant(element, path: str) -> str:
    constant = element.find(path)
    if constant is None:
        raise EwsError("ErrorInvalidRestriction")
    return constant.get("Value") or ""


def _as_kind_of(found: Value, text: str) -> Value:
    """The constant of a restriction, in the type of what it is compared with."""
    if isinstance(found, bool):
        return text.lower() in ("true", "1")
    if isinstance(found, int):
        return int(text)
    if isinstance(found, datetime):
        at = datetime.fromisoformat(text)
        return at if at.tzinfo else at.replace(tzinfo=UTC)
    return text


def _comparison(name: str, element) -> Test:
    get, compare = _getter(_uri(element)), COMPARE[name]
    text = _constant(element, f"{T}FieldURIOrConstant/{T}Constant")

    def test(place: Place) -> bool:
        found = get(place)
        if found is None:
            return name == "IsNotEqualTo"
        try:
            return compare(found, _as_kind_of(found, text))
        except ValueError as error:
            raise EwsError("ErrorInvalidRestriction") from error

    return test


def _contains(element) -> Test:
    get = _getter(_uri(element))
    wanted = _constant(element, f"{T}Constant")
    mode = element.get("ContainmentMode") or "FullString"
    fold = "IgnoreCase" in (element.get("ContainmentComparison") or "Exact")
    wanted = wanted.casefold() if fold else wanted

    def agrees(value: str) -> bool:
        value = value.casefold() if fold else value
        if mode == "FullString":
            return value == wanted
        return value.startswith(wanted) if mode.startswith("Prefix") else wanted in value

    def test(place: Place) -> bool:
        found = get(place)
        values = found if isinstance(found, list) else [found]
        return any(agrees(value) for value in values if isinstance(value, str))

    return test


def compile_test(element) -> Test:
    name = element.tag[len(T) :]
    if name in ("And", "Or"):
        tests = [compile_test(child) for child in element]
        join = all if name == "And" else any
        return lambda place: join(test(place) for test in tests)
    if name == "Not":
        inner = compile_test(element[0])
        return lambda place: not inner(place)
    if name == "Exists":
        get = _getter(_uri(element))
        return lambda place: get(place) not in (None, "", [])
    if name == "Contains":
        return _contains(element)
    if name in COMPARE:
        return _comparison(name, element)
    raise EwsError("ErrorInvalidRestriction")


def _marks(element) -> tuple[str, list[str]] | None:
    """(property, values) if the restriction is « this extended property is one of these »: the index answers it.

    That is the search by key in Sent Items, where thousands of mails lie.
    """
    if element.tag == f"{T}IsEqualTo":
        uri = _uri(element)
        if uri.tag == f"{T}ExtendedFieldURI":
            return property_key(uri), [_constant(element, f"{T}FieldURIOrConstant/{T}Constant")]
    elif element.tag == f"{T}Or":
        found = [_marks(child) for child in element]
        if found and all(found) and len({name for name, _ in found}) == 1:
            return found[0][0], [value for _, values in found for value in values]
    elif element.tag == f"{T}And":
        return next((found for child in element if (found := _marks(child))), None)
    return None


def find(element, mailbox: str, folder: str, store: Store) -> list[Place]:
    """The places of a folder that a FindItem request asks for, in its order."""
    restriction = element.find(f"{M}Restriction/*")
    if restriction is None:
        places = list(store.folder(mailbox, folder).values())
    else:
        marks = _marks(restriction) if folder != "inbox" else None
        candidates = store.marked(mailbox, folder, *marks) if marks else store.folder(mailbox, folder).values()
        test = compile_test(restriction)
        places = [place for place in candidates if test(place)]
    for order in reversed(element.findall(f"{M}SortOrder/{T}FieldOrder")):
        get = _getter(_uri(order))
        present = [place for place in places if get(place) is not None]
        absent = [place for place in places if get(place) is None]
        present.sort(key=get, reverse=order.get("Order") == "Descending")
        places = present + absent
    return places
