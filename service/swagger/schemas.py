"""Schemas of the documentation: made from the wire types, in the dialect that Swagger 2.0 understands.

msgspec speaks JSON Schema 2020-12. Swagger 2.0 has no `anyOf`, `const`, `examples` or null type, and lets nothing
stand beside a `$ref`. What it cannot say is said by its usual extensions (`x-nullable`) or in the description.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from service.wire.fields import Bound, FilterId, Instant

Schema = dict[str, Any]

_REFERENCE: Final = "#/definitions/"
_PARAMETER_KEYS: Final = frozenset(
    {"description", "type", "format", "enum", "pattern", "default", "minimum", "maximum", "minLength", "maxLength"}
)


def definitions_of(types: Iterable[type]) -> tuple[dict[type, Schema], dict[str, Schema]]:
    """For each type the schema that stands for it, and the definitions that those refer to, by name."""
    listed = list(dict.fromkeys(types))
    schemas, components = _components(listed)
    return (
        {of: _translated(schema) for of, schema in zip(listed, schemas, strict=True)},
        {_plain_name(name): _translated(schema) for name, schema in components.items()},
    )


def query_parameters_of(query_type: type[msgspec.Struct]) -> list[Schema]:
    """The parameters of a query, each with its bounds."""
    _, components = _components([query_type])
    whole = components[query_type.__name__]
    parameters = []
    for name, property_schema in whole["properties"].items():
        schema = _translated(property_schema)
        for part in schema.pop("allOf", ()):
            schema = _translated(components[part["$ref"].removeprefix(_REFERENCE)]) | schema
        parameter = {"in": "query", "name": name, "required": name in whole["required"]}
        parameters.append(parameter | {key: schema[key] for key in schema.keys() & _PARAMETER_KEYS})
    return parameters


def _components(types: list[Any]) -> tuple[tuple[Schema, ...], Mapping[str, Schema]]:
    return msgspec.json.schema_components(types, schema_hook=_own_schema, ref_template=_REFERENCE + "{name}")


def _own_schema(own_type: type) -> Schema:
    if own_type in (Instant, Bound):
        return {"type": "string", "format": "date-time"}
    assert own_type is FilterId, own_type
    return {"type": "string", "format": "uuid"}


def _plain_name(name: str) -> str:
    """`Page_Charge_` reads better as `ChargePage`, and `ProblemDocument` as `Problem`."""
    name = re.sub(r"^(\w+?)_(\w+)_$", r"\2\1", name)
    return name.removesuffix("Document")


def _translated(schema: Any) -> Any:
    """The same schema, all the way down, in Swagger 2.0."""
    if isinstance(schema, list):
        return [_translated(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    found: Schema = {}
    for key, value in schema.items():
        match key:
            case "$ref":
                found["allOf"] = [{"$ref": _REFERENCE + _plain_name(value.removeprefix(_REFERENCE))}]
            case "anyOf":
                found |= _either(value) | found
            case "examples":
                found["example"] = value[0]
            case "const":
                found |= {"type": _type_of(value), "enum": [value]}
            case "enum":
                found |= {"type": _type_of(value[0]), "enum": value}
            case "properties":
                found["properties"] = {name: _translated(of) for name, of in value.items()}
            case "default" if value is None:
                pass
            case "required" if not value:
                pass  # may not be empty
            case "propertyNames":
                pass  # has no word in Swagger 2.0: descriptions say it
            case "example" | "default" | "required" | "title":
                found[key] = value
            case _:
                found[key] = _translated(value)
    # A lone reference needs no wrapping.
    return found["allOf"][0] if found.keys() == {"allOf"} else found


def _either(alternatives: list[Schema]) -> Schema:
    """One of several: here always one type, or null."""
    present = [_translated(alternative) for alternative in alternatives if alternative != {"type": "null"}]
    assert len(present) == 1, f"Swagger 2.0 cannot say: one of {present}"
    schema: Schema = present[0]
    if "$ref" in schema:
        schema = {"allOf": [schema]}
    return schema | ({"x-nullable": True} if len(alternatives) > 1 else {})


def _type_of(value: object) -> str:
    return {str: "string", bool: "boolean", int: "integer"}[type(value)]
