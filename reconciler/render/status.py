"""`reconciler status` as text, Markdown and JSON: what is live, held and deployed. Pure."""

from typing import Any

from reconciler.core.lineage.lineage import TimelineBranch
from reconciler.core.model.desired import Desired
from reconciler.core.model.observed import Observed, ObservedWorker, Project, Unknown, known
from reconciler.core.plan.plan import Plan
from reconciler.core.rules.restore.role_changes import since
from reconciler.core.rules.retention.orphans import Orphan, orphans
from reconciler.core.rules.retention.retained import RetainedBranch, units
from reconciler.core.rules.retention.room import Room, branches_room, configs_room, without_ended
from reconciler.core.values.duration import for_people
from reconciler.render import declared_branches
from reconciler.render.markdown import code, prose, table
from reconciler.render.wording import counted

_KINDS = (("held", "held"), ("candidate", "candidates"), ("failed", "failed"))


def facts_of(found: Plan, observed: Observed) -> dict[str, Any]:
    """Return in JSON's terms what is live, held and deployed, and what could not be read."""
    parts = {"project": observed.project, "branches": observed.branches, "hyperdrive": observed.configs}
    unreadable = [f"{part}: {value.reason}" for part, value in parts.items() if isinstance(value, Unknown)]
    unreadable += [f"worker: {each.reason}" for each in observed.workers if isinstance(each, Unknown)]
    lineage = found.lineage
    held = units(found.desired, observed, lineage) if lineage else ()
    failed = lineage.failed if lineage else ()
    return {
        "environment": found.desired.environment,
        "in_sync": found.in_sync,
        "desired_timeline": str(found.desired.timeline),
        "live": _carrier(lineage.live) if lineage else None,
        "held": [_held(each, observed) for each in held if each.timeline_branch not in failed],
        "candidates": [_carrier(each) for each in lineage.candidates] if lineage else [],
        "failed": [_held(each, observed) for each in held if each.timeline_branch in failed],
        "orphans": [_orphan(each, observed) for each in orphans(found.desired, observed, lineage)] if lineage else [],
        "room": _room(found.desired, observed),
        "children": declared_branches.facts(found.desired, observed),
        "unmanaged": declared_branches.unmanaged(found.desired, observed, lineage),
        "workers": [_worker(each, observed) for each in seen_workers(observed)],
        "rewound": list(since(observed, lineage)) if lineage else [],
        "drift": [str(each) for each in found.drift],
        "pending": len(found.steps),
        "refusals": [each.message for each in found.refusals],
        "unreadable": unreadable,
    }


def _carrier(timeline_branch: TimelineBranch) -> dict[str, Any]:
    branch = timeline_branch.branch
    return {
        "timeline": str(timeline_branch.timeline),
        "branch": branch.name,
        "id": branch.id,
        "created_at": str(branch.created_at),
        "default": branch.default,
        "protected": branch.protected,
        "host": f"{branch.endpoint.host}:{branch.endpoint.port}" if branch.endpoint else None,
    }


def _held(unit: RetainedBranch, observed: Observed) -> dict[str, Any]:
    """Say what is held, since when and until when, how large it is, and what will become of it."""
    return _carrier(unit.timeline_branch) | {
        "hyperdrive": [each.name for each in unit.configs],
        "replaced_at": str(unit.replaced_at) if unit.replaced_at else None,
        "held_until": str(unit.until) if unit.until else None,
        "size_bytes": unit.branch.size,
        "kept_by": list(unit.stays),
        "fate": unit.fate(observed.at),
        "age": for_people(observed.at - unit.replaced_at) if unit.replaced_at else None,
    }


def _orphan(orphan: Orphan, observed: Observed) -> dict[str, Any]:
    """Say of a config whose branch is gone until when it is kept, and what will become of it."""
    return {
        "hyperdrive": orphan.config.name,
        "id": orphan.config.id,
        "host": f"{orphan.config.host}:{orphan.config.port}",
        "held_until": str(orphan.until) if orphan.until else None,
        "kept_by": list(orphan.stays),
        "fate": orphan.fate(observed.at),
    }


def _room(desired: Desired, observed: Observed) -> list[dict[str, Any]]:
    """Say how full the project and the account are, and how many of what is there go by themselves."""
    rest, project = without_ended(desired, observed), observed.project
    limit = project.branches_limit if isinstance(project, Project) else None
    rooms = [branches_room(observed, rest, limit)] if isinstance(observed.branches, tuple) else []
    rooms += [configs_room(observed, rest)] if desired.hyperdrive and isinstance(observed.configs, tuple) else []
    return [{"what": each.what, "count": each.count, "limit": each.limit, "going": each.going} for each in rooms]


def _worker(seen: ObservedWorker, observed: Observed) -> dict[str, Any]:
    configs = known(observed.configs)
    names = {config.id: config.name for config in configs}
    return {
        "script": seen.script,
        "config": seen.config,
        "wrangler_jsonc": names.get(seen.file_hyperdrive_id, seen.file_hyperdrive_id),
        "deployed": [
            {
                "version": version.id,
                "percentage": version.percentage,
                "hyperdrive": names.get(version.hyperdrive_id or "", version.hyperdrive_id),
            }
            for version in seen.deployed
        ],
    }


def seen_workers(observed: Observed) -> list[ObservedWorker]:
    """Return the Workers that could be read."""
    return [each for each in observed.workers if isinstance(each, ObservedWorker)]


def served(worker: ObservedWorker, observed: Observed) -> str:
    """Say which config a Worker's traffic goes to: "100 % on tech961"."""
    return shares(_worker(worker, observed))


def _state(facts: dict[str, Any]) -> str:
    if facts["refusals"]:
        return "refused"
    return "in sync" if facts["in_sync"] else f"{counted(facts['pending'])} from what is asked"


def as_text(facts: dict[str, Any], stopped: str) -> str:
    """Return the text for a terminal; `stopped` says what is known of a suspension."""
    lines = [f"{facts['environment']}: {_state(facts)}"]
    lines += [f"  live       {_line(facts['live'])}" if facts["live"] else "  live       unknown"]
    lines += [f"  asked      {facts['desired_timeline']}"]
    for each in facts["held"]:
        lines += [f"  held       {_line(each)}", *_pen_lines(each)]
    lines += [f"  candidate  {_line(each)}" for each in facts["candidates"]]
    for each in facts["failed"]:
        lines += [f"  failed     {_line(each)}", *_pen_lines(each)]
    lines += [f"  branch     {declared_branches.line(each)}" for each in facts["children"]]
    for worker in facts["workers"]:
        lines += [f"  worker     {worker['script']}: {shares(worker)}"]
        lines += [f"             {worker['config']} names {worker['wrangler_jsonc']}"]
    lines += [f"  {what:<11}{said}" for what, said in _notes(facts, stopped)]
    return "\n".join(lines)


def _notes(facts: dict[str, Any], stopped: str) -> list[tuple[str, str]]:
    """List what else there is to say, each with the word for it."""
    return [
        *(("lease", each) for each in _lease_lines(facts["lease"])),
        *([("suspended", stopped)] if stopped else []),
        *([("room", "; ".join(str(Room(**each)) for each in facts["room"]))] if facts["room"] else []),
        *(("orphan", _orphan_line(each)) for each in facts["orphans"]),
        *(("other", f"branch {name} (not managed here)") for name in facts["unmanaged"]),
        *(("rewound", each) for each in facts["rewound"]),
        *(("drift", each) for each in facts["drift"]),
        *(("refused", each) for each in facts["refusals"]),
        *(("unreadable", each) for each in facts["unreadable"]),
    ]


def _pen_lines(held: dict[str, Any]) -> list[str]:
    known = [
        f"replaced {held['age']} ago" if held["age"] else "",
        f"{held['size_bytes'] / 1_000_000:,.1f} MB" if held["size_bytes"] is not None else "",
        f"Hyperdrive config {', '.join(held['hyperdrive'])}" if held["hyperdrive"] else "",
    ]
    about = ", ".join(each for each in known if each)
    return [*([f"             {about}"] if about else []), f"             {held['fate']}"]


def _orphan_line(orphan: dict[str, Any]) -> str:
    config = f'Hyperdrive config "{orphan["hyperdrive"]}"'
    return f"{config} points to no branch ({orphan['host']}): {orphan['fate']}"


def _lease_lines(lease: dict[str, str] | None) -> list[str]:
    if lease is None:
        return []
    if "unknown" in lease:
        return [f"cannot be read: {lease['unknown']}"]
    where = f", {lease['run']}" if lease["run"] else ""
    return [f"{lease['owner']} is at work since {lease['taken_at']} (until {lease['expires_at']}{where})"]


def _line(found: dict[str, Any]) -> str:
    return f'{found["timeline"]}, on branch "{found["branch"]}" ({found["id"]}), created {found["created_at"]}'


def as_markdown(facts: dict[str, Any], stopped: str) -> str:
    """Say the same for GitHub: timelines and Workers in a table each, and a list of what else there is to say."""
    branches = (("branch", declared_branches.line(each)) for each in facts["children"])
    notes = [*branches, *_notes(facts, stopped)]
    live = "" if facts["live"] else "; what is live is not known"
    parts = [
        f"**{code(facts['environment'])}**: {prose(_state(facts))}; asked: {code(facts['desired_timeline'])}{live}",
        _table(("", "timeline", "branch", "created", "what becomes of it"), _timelines(facts)),
        _table(("Worker", "serves", "file", "which names"), _workers(facts)),
        "\n".join(f"- {what}: {prose(said)}" for what, said in notes),
    ]
    return "\n\n".join(each for each in parts if each)


def _timelines(facts: dict[str, Any]) -> list[tuple[str, ...]]:
    live = [("live", facts["live"])] if facts["live"] else []
    rows = [*live, *((kind, each) for kind, key in _KINDS for each in facts[key])]
    return [
        (kind, code(each["timeline"]), code(each["branch"]), each["created_at"], prose(each.get("fate", "")))
        for kind, each in rows
    ]


def _workers(facts: dict[str, Any]) -> list[tuple[str, ...]]:
    return [
        (code(each["script"]), prose(shares(each)), code(each["config"]), code(each["wrangler_jsonc"]))
        for each in facts["workers"]
    ]


def shares(worker: dict[str, Any]) -> str:
    """Say which config a Worker's traffic goes to: "100 % on tech961"."""
    said = (f"{each['percentage']:g} % on {each['hyperdrive']}" for each in worker["deployed"])
    return ", ".join(said) or "not deployed"


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    return table(head, rows) if rows else ""
