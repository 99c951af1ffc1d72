"""What several values of a desired-state file say together that can't be: each with its place and the remedy."""

from collections.abc import Iterator
from typing import Any

from reconciler.core.file import declared as child_file
from reconciler.core.file import hyperdrive as hyperdrive_file
from reconciler.core.file import restore as restore_file


def contradictions(value: dict[str, Any]) -> Iterator[tuple[tuple[int | str, ...], str, str]]:
    """Find every contradiction: (path, what is wrong, the remedy)."""
    given = value.get("verify")
    verify: dict[str, Any] = given if isinstance(given, dict) else {}
    if value.get("worker") and not value.get("hyperdrive"):
        hint = "add hyperdrive, or leave worker out"
        yield ("worker",), "worker needs hyperdrive: its binding has nothing to point to", hint
    if verify.get("http") and not value.get("worker"):
        hint = "add worker, or prove it with verify.sql"
        yield (
            ("verify", "http"),
            "verify.http needs worker: without one, nothing answers from the new branch",
            hint,
        )
    if verify.get("sql") and not value.get("hyperdrive") and not (verify.get("database") and verify.get("role")):
        hint = "add verify.database and verify.role"
        yield ("verify", "sql"), "verify.sql does not know which database and role to use", hint
    yield from restore_file.contradictions(value)
    yield from _half_a_size(value)
    yield from hyperdrive_file.contradictions(value)
    yield from _fence_without_database(value, verify)
    yield from child_file.contradictions(value)
    yield from _other_credentials(value, verify)
    for kind in ("sql", "http"):
        yield from _repeated_names(("verify", kind), f"{kind} gates", verify.get(kind))
    yield from _repeated_names(("outside",), "entries of outside", value.get("outside"))
    for key in ("waive", "lift"):
        yield from _repeated_names((key,), f"entries of {key}", value.get(key), "guard")
    if value.get("waive") and value.get("lift"):
        yield ("lift",), "lift is the former name of waive, and the file has both", "move its entries to waive"


def _half_a_size(value: dict[str, Any]) -> Iterator[tuple[tuple[int | str, ...], str, str]]:
    """Neon changes each size by itself, and refuses a least one above the largest."""
    primary = value.get("primary")
    given = primary.get("compute") if isinstance(primary, dict) else None
    compute: dict[str, Any] = given if isinstance(given, dict) else {}
    least, most = compute.get("min"), compute.get("max")
    if (least is None) != (most is None):
        hint = "give both: the same size twice is a compute that does not scale"
        yield ("primary", "compute"), "primary.compute has only one of min and max", hint
    elif isinstance(least, int | float) and isinstance(most, int | float) and least > most:
        message = f"primary.compute.min is {least:g}, and max is {most:g}"
        yield ("primary", "compute", "min"), message, "the least size comes first"


def _fence_without_database(
    value: dict[str, Any], verify: dict[str, Any]
) -> Iterator[tuple[tuple[int | str, ...], str, str]]:
    primary = value.get("primary")
    asked = isinstance(primary, dict) and primary.get("fence") is True
    if asked and not value.get("hyperdrive") and not (verify.get("database") and verify.get("role")):
        hint = "add hyperdrive, or verify.database and verify.role"
        yield ("primary", "fence"), "primary.fence does not know which database is to be read-only, for whom", hint


def _other_credentials(
    value: dict[str, Any], verify: dict[str, Any]
) -> Iterator[tuple[tuple[int | str, ...], str, str]]:
    """Gates that log in as another role prove nothing about the credentials that Hyperdrive will hold."""
    given = value.get("hyperdrive")
    hyperdrive: dict[str, Any] = given if isinstance(given, dict) else {}
    for key in ("database", "role"):
        if isinstance(verify.get(key), str) and isinstance(hyperdrive.get(key), str) and verify[key] != hyperdrive[key]:
            message = f'verify.{key} is "{verify[key]}", and hyperdrive.{key} is "{hyperdrive[key]}"'
            yield ("verify", key), message, f"leave verify.{key} out: gates use what Hyperdrive will hold"


def _repeated_names(
    at: tuple[str, ...], what: str, entries: Any, key: str = "name"
) -> Iterator[tuple[tuple[int | str, ...], str, str]]:
    names: set[str] = set()
    for index, entry in enumerate(entries if isinstance(entries, list) else []):
        name = entry.get(key) if isinstance(entry, dict) else None
        if isinstance(name, str) and name in names:
            yield (*at, index, key), f'two {what} are named "{name}"', "tell them apart, or keep one"
        names.add(str(name))


def value_at(value: Any, path: tuple[str, ...]) -> Any:
    """Return the value at a path."""
    for step in path:
        value = value[step]
    return value
