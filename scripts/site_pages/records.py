"""The reference of records: what they hold, from the declaration that they are checked by."""

import inspect
from dataclasses import dataclass
from typing import Any

import griffe
import msgspec
from msgspec.inspect import type_info

from network_prune.results import record_shape as study
from network_prune.results.records import SCHEMA as STUDY_SCHEMA
from network_prune.transfer import record_shape as transfer
from network_prune.transfer.record_key import SCHEMA as TRANSFER_SCHEMA

_WORDS = {
    "AnyType": "anything",
    "BoolType": "true or false",
    "DictType": "object",
    "FloatType": "number",
    "NoneType": "null",
    "StrType": "text",
}


@dataclass(frozen=True, slots=True)
class Member:
    """A member of a record, or of a part of one.

    Attributes:
        kind: what its value is, in words.
        meaning: what it says.
        part: what it holds itself, if that is declared.
    """

    kind: str
    meaning: str
    part: "dict[str, Member] | None"


def study_members() -> dict[str, Member]:
    """Return what a record of a study holds, by name."""
    return members(study._Shared) | members(study._Own)


def transfer_members() -> dict[str, Member]:
    """Return what a record of a transfer run holds, by name."""
    return members(transfer._Record)


def members(kind: type[msgspec.Struct]) -> dict[str, Member]:
    """Return what a declared part holds, in the order in which its docstring says it.

    What is written but never looked up isn't declared; its kind stands in the docstring.
    """
    text = griffe.Docstring(inspect.getdoc(kind) or "")
    said = {
        each.name: each
        for section in text.parse("google", warnings=False)
        if isinstance(section, griffe.DocstringSectionAttributes)
        for each in section.value
    }
    fields = {field.name: field.type for field in type_info(kind).fields}
    if missing := fields.keys() - said.keys():
        raise ValueError(f"{kind.__name__} doesn't say what {', '.join(sorted(missing))} mean")
    found: dict[str, Member] = {}
    for name, each in said.items():
        meaning = " ".join(each.description.split())
        shown = _kind(fields[name]) if name in fields else str(each.annotation)
        found[name] = Member(shown, meaning, _part(fields.get(name)))
    return found


def records_page() -> str:
    """Return the page's text."""
    head = (
        "# Records\n\n"
        "A line of a study's `records.jsonl`, and an object of what `--json` prints, is one "
        "finished variant; a line of `transfer.jsonl` is one row of a transfer run. Lines of files "
        f"begin with `schema` ({STUDY_SCHEMA} and {TRANSFER_SCHEMA}) and `key`, the SHA-256 of "
        "all that decides the figures, and end with a checksum. [sweeps.md](../sweeps.md#records) "
        "says how files are written and what earlier schemas lacked. Layers are packed in files "
        "and unpacked where records are read. Made from the declaration that records are checked "
        "by when they are read.\n"
    )
    parts = [
        *_section("A record of a study", study_members(), "study"),
        *_section("A record of a transfer run", transfer_members(), "transfer"),
    ]
    return head + "\n" + "\n".join(parts)


def _section(title: str, held: dict[str, Member], anchor: str, level: int = 2) -> list[str]:
    """Return a part's heading and members, and after them the parts that they hold."""
    lines = [f"{'#' * level} {title} {{ #{anchor} }}\n"]
    inner: list[str] = []
    for name, member in held.items():
        place = f"{anchor}-{name}"
        more = f" [What it holds](#{place})." if member.part else ""
        lines.append(f"`{name}` ({member.kind})\n:   {member.meaning}{more}\n")
        if member.part:
            inner += _section(f"`{name}`", member.part, place, 3)
    return lines + inner


def _part(info: Any) -> dict[str, Member] | None:
    """Return what a value holds if it is one declared part, or a list of such."""
    kinds = [info, *getattr(info, "types", ()), getattr(info, "item_type", None)]
    structs = [each.cls for each in kinds if type(each).__name__ == "StructType"]
    return members(structs[0]) if len(structs) == 1 else None


def _kind(info: Any) -> str:
    """Return in words what values a declaration allows."""
    name = type(info).__name__
    if name == "UnionType":
        return " or ".join(dict.fromkeys(map(_kind, info.types)))
    if name == "ListType":
        return f"list of {_kind(info.item_type)}"
    if name == "TupleType":
        return "pair" if len(info.item_types) == 2 else "list"
    if name == "EnumType":
        return " or ".join(f"`{each.value}`" for each in info.cls)
    if name == "IntType":
        return "whole number" if info.ge is None else f"whole number from {info.ge}"
    if name in ("StructType", "DictType"):
        return "object"
    return _WORDS[name]
