"""The text of a desired-state file that was read from what is there, with a comment on what each line was read from."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from reconciler.core.file.edit import with_restore
from reconciler.core.model.desired import Desired, Worker


@dataclass(frozen=True, slots=True)
class Because:
    """What each line was decided from. `workers` has one for each of the desired ones."""

    project: str
    branch: str
    restore: str
    method: str
    hold: str
    hyperdrive: str = ""
    workers: tuple[str, ...] = ()


def written(desired: Desired, because: Because) -> str:
    """Write the file: in the order of the documentation, with the restore on one line, as a proposal changes it."""
    primary = desired.primary
    lines = [
        f"// Which history of the data is live in {desired.environment}, and what points to it.",
        "// Written by reconciler import: each comment says what its line was read from.",
        "{",
        '  "$schema": "./schema.json",',
        "",
        '  "primary": {',
        _line(f'    "project": {_json(primary.project)},', because.project),
        _line(f'    "branch": {_json(primary.branch)},', because.branch),
        _line('    "restore": null,', because.restore),
        _line(f'    "method": {_json(primary.method.value)},', because.method),
        _line(f'    "hold": {_json(_span(primary.hold))},', because.hold),
        "  },",
        *_hyperdrive(desired, because),
        *_workers(desired, because),
        *_branches(desired),
        "}",
        "",
    ]
    return with_restore("\n".join(lines), primary.restore)


def _hyperdrive(desired: Desired, because: Because) -> Iterator[str]:
    hyperdrive = desired.hyperdrive
    if hyperdrive is None:
        return
    value = {"name": hyperdrive.name, "database": hyperdrive.database, "role": hyperdrive.role}
    value |= {"strategy": hyperdrive.strategy.value} if hyperdrive.is_repointed else {}
    yield ""
    yield _line(f'  "hyperdrive": {_json(value)},', because.hyperdrive)


def _workers(desired: Desired, because: Because) -> Iterator[str]:
    entries = list(zip(desired.workers, because.workers, strict=True))
    if not entries:
        return
    yield ""
    if len(entries) == 1:
        worker, reason = entries[0]
        yield _line(f'  "worker": {_entry(worker)},', reason)
        return
    yield '  "worker": ['
    yield from (_line(f"    {_entry(worker)},", reason) for worker, reason in entries)
    yield "  ],"


def _branches(desired: Desired) -> Iterator[str]:
    if desired.branches is None:
        return
    yield ""
    yield _line('  "branches": [', "what its annotations say that it was made for, and whether it has a compute")
    for child in desired.branches:
        value = {"name": child.name} | ({"parent": child.parent} if child.parent else {})
        more = [f'"reset": {_json({"id": child.reset})}'] if child.reset else []
        more += ['"compute": false'] if not child.compute else []
        more += ['"schema_only": true'] if child.schema_only else []
        yield f"    {{ {', '.join([_json(value)[2:-2], *more])} }},"
    yield "  ],"


def _span(hold: timedelta | None) -> str:
    return "forever" if hold is None else f"{hold.days}d"


def _entry(worker: Worker) -> str:
    value = {"config": worker.config, "binding": worker.binding}
    return _json(value | ({"environment": worker.environment} if worker.environment else {}))


def _json(value: str | dict[str, str]) -> str:
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return f"{{ {', '.join(f'{_json(key)}: {_json(text)}' for key, text in value.items())} }}"


def _line(text: str, reason: str) -> str:
    """Add a comment. Names in it are a provider's, and must not end the line."""
    return f"{text} // {''.join(each if each.isprintable() else '?' for each in reason)}"
