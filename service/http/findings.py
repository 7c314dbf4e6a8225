"""Every field at fault in a body or a query that was refused, for the errors of its 422.

The decoder stops at the first fault, which is right for the many requests that have none. Only after that is
each field decoded by itself here, so that its sender learns of all of them at once.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

import msgspec

from service.problems import FieldError

_FINDINGS_MAX: Final = 50
_NAME_MAX: Final = 100
_PLACE: Final = re.compile(r"(?s)(.*) - at (?:`key` in )?`\$(.*)`")

V = TypeVar("V")


def find(
    body_type: type[msgspec.Struct], values: Mapping[str, V], decode: Callable[[V, Any], object]
) -> list[FieldError]:
    """The faults of an object whose members are `values`; `decode` raises ValidationError for a bad one."""
    fields = {field.encode_name: field for field in msgspec.structs.fields(body_type)}
    found = [FieldError(name[:_NAME_MAX], "Unknown.") for name in values if name not in fields]
    for name, field in fields.items():
        if name not in values:
            if field.required:
                found.append(FieldError(name, "Required."))
            continue
        try:
            decode(values[name], field.type)
        except msgspec.ValidationError as error:
            found.append(_placed(name, str(error)))
    return found[:_FINDINGS_MAX]


def find_in_json(body_type: type[msgspec.Struct], data: bytes) -> list[FieldError]:
    """As `find`, for a body that is JSON."""
    try:
        members = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
    except msgspec.ValidationError as error:
        return [FieldError("", f"{error}.")]
    return find(body_type, members, _decode_each)


def find_nul(value: object, path: str = "") -> list[FieldError]:
    """The fields of decoded JSON whose text, or name, has a NUL."""
    match value:
        case str():
            return [FieldError(path, "Must not contain NUL.")] if "\0" in value else []
        case list():
            members = [(str(index), member) for index, member in enumerate(value)]
        case dict():
            members = list(value.items())
        case _:
            return []
    found = []
    for name, member in members:
        shown = name.replace("\0", "\N{SYMBOL FOR NULL}")[:_NAME_MAX]
        place = f"{path}.{shown}" if path else shown
        found += [FieldError(place, "Must not contain NUL.")] if "\0" in name else find_nul(member, place)
    return found[:_FINDINGS_MAX]


def _decode_each(raw: msgspec.Raw, field_type: Any) -> None:
    """Decodes the value; if it is a map with a bad member, member by member, to say which."""
    try:
        msgspec.json.decode(raw, type=field_type)
    except msgspec.ValidationError as error:
        if "[...]`" not in str(error) and "`key` in" not in str(error):
            raise
        for name, member in msgspec.json.decode(raw, type=dict[str, msgspec.Raw]).items():
            try:
                msgspec.json.decode(msgspec.json.encode({name: member}), type=field_type)
            except msgspec.ValidationError as member_error:
                message = _placed("", str(member_error)).message
                raise msgspec.ValidationError(f"{message} - at `$.{name[:_NAME_MAX]}`") from None
        raise


def _placed(name: str, message: str) -> FieldError:
    """Turns the decoder's "... - at `$[3].amount`", relative to the field, into a dotted path and a message."""
    if (found := _PLACE.fullmatch(message)) is None:
        return FieldError(name, f"{message.removesuffix('.')}.")
    message, place = found.groups()
    dotted = re.sub(r"\[(\d+)\]", r".\1", place.replace("[...]", ""))
    return FieldError(name + dotted, f"{message.removesuffix('.')}.")
