"""Every field at fault in a body or a query that was refused, for the errors of its 422.

The decoder stops at the first fault, which is right for the many requests that have none. Only after that is
each field decoded by itself here, so that its sender learns of all of them at once; of a batch, all of the first item
that has any. What that costs grows with the body, whatever is in it: it is not for large ones.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Final, TypeVar

import msgspec
from msgspec import inspect

from service.problems import FieldError

_FINDINGS_MAX: Final = 50
_NAME_MAX: Final = 100
_TEXT_MAX: Final = 200
"""Of what the decoder says: it quotes what it refuses, which may be megabytes."""
_PLACE: Final = re.compile(r"(?s)(.*) - at (?:`key` in )?`\$(.*)`")
_INDEX: Final = re.compile(r"\[(\d+)\]")
_MEMBER: Final = re.compile(r"(?s)Object (missing required|contains unknown) field `(.*)`")

V = TypeVar("V")


def find(
    body_type: type[msgspec.Struct], values: Mapping[str, V], decode: Callable[[V, Any], object]
) -> list[FieldError]:
    """The faults of an object whose members are `values`; `decode` raises ValidationError for a bad one."""

    def faults_of(value: V, field_type: Any) -> list[FieldError]:
        try:
            decode(value, field_type)
        except msgspec.ValidationError as error:
            return [_placed(str(error))]
        return []

    return _find(body_type, values, faults_of)


def find_in_json(body_type: type[msgspec.Struct], data: bytes, stopped_at: list[FieldError]) -> list[FieldError]:
    """As `find`, for a body that is JSON. `stopped_at` is where the decoder stopped: a name that comes twice may be
    wrong there, and right where it comes last, which is all that is looked at here."""
    return _faults_of_object(body_type, data) or stopped_at


def _faults_of_object(body_type: type[msgspec.Struct], data: bytes | msgspec.Raw) -> list[FieldError]:
    try:
        members = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
    except msgspec.ValidationError as error:
        return [FieldError("", f"{error}.")]
    return _find(body_type, members, _faults_in_json)


def _find(
    body_type: type[msgspec.Struct], values: Mapping[str, V], faults_of: Callable[[V, Any], list[FieldError]]
) -> list[FieldError]:
    """`faults_of` names fields as they are named within the value."""
    fields = {field.encode_name: field for field in msgspec.structs.fields(body_type)}
    unknown = (FieldError(name[:_NAME_MAX], "Unknown.") for name in values if name not in fields)
    found = list(islice(unknown, _FINDINGS_MAX))
    for name, field in fields.items():
        if name not in values:
            if field.required:
                found.append(FieldError(name, "Required."))
            continue
        found += _within(name, faults_of(values[name], field.type))
    return found[:_FINDINGS_MAX]


def first(error: msgspec.ValidationError, *, within: str = "") -> FieldError:
    """The fault that the decoder stopped at, in the part of the body that is called `within`."""
    return _within(within, [_placed(str(error))])[0]


def find_nul(value: object, *, within: str = "") -> list[FieldError]:
    """The fields of a decoded body or query whose text, or name, has a NUL. Not in amounts: these are still raw JSON,
    and one with a NUL is refused as no amount."""
    return list(islice(_nuls_in(value, within), _FINDINGS_MAX))


def _nuls_in(value: object, path: str) -> Iterator[FieldError]:
    members: Iterable[tuple[str, Any]]
    match value:
        case str():
            if "\0" in value:
                yield FieldError(path, "Must not contain NUL.")
            return
        case list():
            members = ((str(index), member) for index, member in enumerate(value))
        case dict():
            members = value.items()
        case msgspec.Struct():
            members = ((name, getattr(value, name)) for name in value.__struct_fields__)
        case _:
            return
    for name, member in members:
        if isinstance(member, str) and "\0" not in member and "\0" not in name:
            continue  # Nearly all of a large batch: not a generator for each.
        shown = name.replace("\0", "\N{SYMBOL FOR NULL}")[:_NAME_MAX]
        place = f"{path}.{shown}" if path else shown
        if "\0" in name:
            yield FieldError(place, "Must not contain NUL.")
        else:
            yield from _nuls_in(member, place)


def _faults_in_json(raw: msgspec.Raw, field_type: Any) -> list[FieldError]:
    """What is wrong with a value, if anything. In a list of objects the one at fault is then looked at by itself, to
    name all its faults; in a map the members are tried one by one, up to a number, to name the one at fault."""
    try:
        msgspec.json.decode(raw, type=field_type)
    except msgspec.ValidationError as error:
        item_type, index = _item_type_of(field_type), _index_in(error)
        if item_type is not None and index is not None:
            items = msgspec.json.decode(raw, type=list[msgspec.Raw])
            return _within(str(index), _faults_of_object(item_type, items[index])) or [_placed(str(error))]
        if "[...]`" in str(error) or "`key` in" in str(error):
            members = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
            for name, member in islice(members.items(), _FINDINGS_MAX):
                try:
                    msgspec.json.decode(msgspec.json.encode({name: member}), type=field_type)
                except msgspec.ValidationError as member_error:
                    return [FieldError(name[:_NAME_MAX], _placed(str(member_error)).message)]
        return [_placed(str(error))]
    return []


def _within(name: str, faults: list[FieldError]) -> list[FieldError]:
    return [FieldError(".".join(filter(None, (name, fault.field))), fault.message) for fault in faults]


def _item_type_of(field_type: Any) -> type[msgspec.Struct] | None:
    """Of a list of objects; None for anything else."""
    found = inspect.type_info(field_type)
    match found.type if isinstance(found, inspect.Metadata) else found:  # One that is described is wrapped.
        case inspect.ListType(item_type=inspect.StructType(cls=item_type)):
            return item_type
        case _:
            return None


def _index_in(error: msgspec.ValidationError) -> int | None:
    """Of the item at fault in a list."""
    place = _PLACE.fullmatch(str(error))
    index = _INDEX.match(place[2]) if place is not None else None
    return int(index[1]) if index is not None else None


def _placed(message: str) -> FieldError:
    """Turns the decoder's "... - at `$[3].amount`" into a dotted path and a message. It says of an object that it lacks
    a field, or has one too many: here that is the field's fault."""
    place = ""
    if (found := _PLACE.fullmatch(message)) is not None:
        message, path = found.groups()
        place = _INDEX.sub(r".\1", path.replace("[...]", "")).removeprefix(".")[:_TEXT_MAX]
    if (member := _MEMBER.fullmatch(message)) is not None:
        kind, name = member.groups()
        fault = FieldError(name[:_NAME_MAX], "Unknown." if kind == "contains unknown" else "Required.")
        return _within(place, [fault])[0]
    return FieldError(place, f"{message.removesuffix('.')[:_TEXT_MAX]}.")
