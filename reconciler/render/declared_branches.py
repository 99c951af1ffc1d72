"""Declared branches, as `status` shows them."""

from typing import Any

from reconciler.core.lineage.lineage import Lineage
from reconciler.core.model.declared_branch import is_ours, record, records
from reconciler.core.model.desired import DeclaredBranch, Desired
from reconciler.core.model.observed import Branch, Observed, known, named


def facts(desired: Desired, observed: Observed) -> list[dict[str, Any]]:
    """Return the facts of each declared branch, in JSON's terms."""
    branches = known(observed.branches)
    return [_facts(desired, child, branches) for child in desired.branches or ()]


def unmanaged(desired: Desired, observed: Observed, lineage: Lineage | None) -> list[str]:
    """Name the branches that carry no timeline, are not declared, and keep no data of a declared one."""
    branches = known(observed.branches)
    ours = {each.branch.id for each in (*lineage.all, *lineage.superseded, *lineage.proved)} if lineage else set()
    names = {child.name for child in desired.branches or ()}
    if desired.branches is not None:  # what we made and is no longer declared is deleted
        names |= {branch.name for branch in branches if is_ours(desired.environment, branch)}
    return [
        branch.name
        for branch in branches
        if branch.id not in ours
        and branch.name not in names
        and ((kept := record(branch)) is None or kept.of not in names)
    ]


def line(child: dict[str, Any]) -> str:
    """Say it in one line."""
    if child["id"] is None:
        return f'"{child["name"]}", not there'
    parts = [
        f'"{child["name"]}" ({child["id"]})',
        *([] if child["ours"] else ["not made by reconciler"]),
        f"from {child['parent']}" if child["parent"] else "a root branch",
        *([f"reset at {child['last_reset_at']}"] if child["last_reset_at"] else []),
        *([f"expires at {child['expires_at']}"] if child["expires_at"] else []),
        *(["protected"] if child["protected"] else []),
        *([f"keeps {', '.join(child['kept'])}"] if child["kept"] else []),
    ]
    return ", ".join(parts)


def _facts(desired: Desired, child: DeclaredBranch, branches: tuple[Branch, ...]) -> dict[str, Any]:
    branch = named(branches, child.name)
    if branch is None:
        return {"name": child.name, "id": None}
    parent = next((each.name for each in branches if each.id == branch.parent_id), branch.parent_id)
    return {
        "name": child.name,
        "id": branch.id,
        "ours": is_ours(desired.environment, branch),
        "parent": parent,
        "last_reset_at": str(branch.last_reset_at) if branch.last_reset_at else None,
        "expires_at": str(branch.expires_at) if branch.expires_at else None,
        "protected": branch.protected,
        "host": f"{branch.endpoint.host}:{branch.endpoint.port}" if branch.endpoint else None,
        "kept": [each.branch.name for each in records(child.name, branches)],
    }
