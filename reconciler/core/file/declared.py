"""Declared branches in the desired-state file: what they say, and what in them contradicts itself."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from reconciler.core.file.model import BranchModel
from reconciler.core.model.declared_branch import is_reserved
from reconciler.core.model.desired import FOREVER, DeclaredBranch
from reconciler.core.values.instant import Instant

_Contradiction = tuple[tuple[int | str, ...], str, str]
_HOURS = {"h": 1, "d": 24, "w": 7 * 24}


def child(model: BranchModel) -> DeclaredBranch:
    """Return what an entry of `branches` asks for."""
    return DeclaredBranch(
        name=model.name,
        parent=model.parent,
        reset=model.reset.id if model.reset else "",
        expires=None if model.expires is None else _life(model.expires),
        protected=model.protected,
        compute=model.compute,
        database=model.database or "",
        schema_only=model.schema_only,
    )


def _life(text: str) -> timedelta | Instant:
    if text == "forever":
        return FOREVER
    return Instant.parse_strict(text) if "-" in text else timedelta(hours=int(text[:-1]) * _HOURS[text[-1]])


def contradictions(value: dict[str, Any]) -> Iterator[_Contradiction]:
    """Find contradictions: (where, what is wrong, what would be right). Wrong types are reported elsewhere."""
    given = value.get("branches")
    entries = [(n, each) for n, each in enumerate(given if isinstance(given, list) else []) if isinstance(each, dict)]
    parents = {str(each.get("parent")) for _, each in entries}
    names: set[str] = set()
    for number, entry in entries:
        at = ("branches", number)
        if entry.get("name") in names:
            yield (*at, "name"), f'two branches are named "{entry["name"]}"', "tell them apart, or keep one"
        names.add(str(entry.get("name")))
        yield from _of_names(at, entry, value, entries)
        yield from _of_life(at, entry, parents)
        yield from _of_schema(at, entry)
        yield from _of_database(at, entry, value)


def _of_names(
    at: tuple[int | str, ...], entry: dict[str, Any], value: dict[str, Any], entries: list[tuple[int, dict[str, Any]]]
) -> Iterator[_Contradiction]:
    primary = value.get("primary")
    main = str(primary.get("branch")) if isinstance(primary, dict) else ""
    if is_reserved(main, str(entry.get("name"))):
        message = f'"{entry["name"]}" is the name of the primary, or one that is given to what is held'
        yield (*at, "name"), message, "give the branch another name"
    parents = {str(each.get("name")): str(each.get("parent")) for _, each in entries}
    seen, parent = [str(entry.get("name"))], str(entry.get("parent"))
    while parent in parents and parent not in seen:
        seen.append(parent)
        parent = parents[parent]
    if parent == seen[0]:
        yield (*at, "parent"), f"{' is made from '.join([*seen, parent])}", "let one of them have another parent"


def _of_life(at: tuple[int | str, ...], entry: dict[str, Any], parents: set[str]) -> Iterator[_Contradiction]:
    protected, expires = entry.get("protected") is True, entry.get("expires", "forever") not in ("forever", None)
    if protected and expires:
        yield (*at, "expires"), "a protected branch does not expire (Neon)", "leave protected or expires out"
    if protected and entry.get("reset"):
        yield (*at, "reset"), "a protected branch is not reset (Neon)", "leave protected or reset out"
    if expires and str(entry.get("name")) in parents:
        message = "other branches are made from this one, and Neon makes none from a branch that expires"
        yield (*at, "expires"), message, "leave expires out, or give the others another parent"


def _of_schema(at: tuple[int | str, ...], entry: dict[str, Any]) -> Iterator[_Contradiction]:
    if entry.get("schema_only") is not True:
        return
    if entry.get("reset"):
        message = "a branch that has the schema only is a root branch, and there is nothing to reset it to"
        yield (*at, "reset"), message, "leave reset or schema_only out"
    if entry.get("compute") is False:
        message = "a branch that has the schema only needs a compute (Neon)"
        yield (*at, "compute"), message, "leave compute or schema_only out"


def _of_database(at: tuple[int | str, ...], entry: dict[str, Any], value: dict[str, Any]) -> Iterator[_Contradiction]:
    if not entry.get("database"):
        return
    if entry.get("compute") is False:
        message = "a database is made by a compute, and this branch is to have none"
        yield (*at, "compute"), message, "leave compute or database out"
    given = value.get("verify")
    role = given.get("role") if isinstance(given, dict) else None
    if not value.get("hyperdrive") and not role:
        message = "no role is named that could own the database"
        yield (*at, "database"), message, "add hyperdrive, or verify.role"
