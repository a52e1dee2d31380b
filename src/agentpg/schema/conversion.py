"""How the values of a column that was here before become values of agentpg's type."""

from __future__ import annotations

from dataclasses import dataclass

from agentpg.db import identifier, literal
from agentpg.schema.tablefacts import Column

_TEXTS = frozenset({"text", "varchar", "bpchar", "name"})
_WHOLE = {"int2": 32767, "int4": 2**31 - 1, "int8": 2**63 - 1}
_NUMBERS = frozenset({*_WHOLE, "numeric", "float4", "float8"})


@dataclass(frozen=True, slots=True)
class Conversion:
    """An expression for the new value, and one that is true of values that it would change."""

    using: str
    loses: str = "false"


def conversions(found: Column, wanted: Column, time_zone: str) -> list[Conversion]:
    """The ways to try, the best first; none where the types have nothing in common.

    A way may still fail or lose something with the values that there are.
    """
    name = identifier(found.name)
    kind = "text" if found.base in _TEXTS or found.is_enum else found.base
    match wanted.base, kind:
        case "varchar" | "text", "text":
            return [Conversion(f"{name}::text::{wanted.type}", _too_long(name, wanted))]
        case "jsonb", "json":
            return [Conversion(f"{name}::jsonb")]
        case "jsonb", "text":
            # Text that is no JSON throughout is kept as JSON strings.
            return [Conversion(f"{name}::text::jsonb"), Conversion(f"to_jsonb({name}::text)")]
        case "timestamptz", "timestamp" | "date":
            return [Conversion(f"{name}::timestamp AT TIME ZONE {literal(time_zone)}")]
        case "uuid", "text":
            return [Conversion(f"{name}::text::uuid")]
        case "float8", "interval":
            return [Conversion(f"extract(epoch FROM {name})::float8")]
        case target, source if target in _WHOLE and source in _NUMBERS:
            return [Conversion(f"{name}::{wanted.type}", f"{name} <> trunc({name}::numeric)")]
        case "float8" | "numeric", source if source in _NUMBERS:
            return [Conversion(f"{name}::{wanted.type}")]
    return []


def _too_long(name: str, wanted: Column) -> str:
    if wanted.base != "varchar" or wanted.length is None:
        return "false"
    return f"length({name}::text) > {wanted.length}"
