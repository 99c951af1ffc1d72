"""What the world will look like once a step about a declared branch has been taken."""

from dataclasses import replace
from datetime import timedelta

from reconciler.core.model.declared_branch import lifetime
from reconciler.core.model.observed import Branch, Databases, DeclaredAnnotation, Endpoint, Observed, named
from reconciler.core.steps import CreateChild, CreateDatabase, ExpireChild, ResetChild


def created(observed: Observed, step: CreateChild) -> Observed:
    """Add the branch, with the databases of its parent."""
    branches = observed.branches if isinstance(observed.branches, tuple) else ()
    source = named(branches, step.source)
    branch = Branch(
        id=f"(id of {step.name})",
        name=step.name,
        created_at=observed.at,
        parent_id=source.id if source and not step.schema_only else None,
        endpoint=Endpoint(f"(endpoint of {step.name})", f"(host of {step.name})") if step.compute else None,
        child=DeclaredAnnotation(step.environment, step.name, step.reset, step.schema_only),
    )
    copied = tuple(
        replace(each, branch_id=branch.id)
        for each in observed.databases
        if source is not None and each.branch_id == source.id
    )
    return replace(observed, branches=(*branches, branch), databases=(*observed.databases, *copied))


def reset(observed: Observed, step: ResetChild, branches: tuple[Branch, ...]) -> tuple[Branch, ...]:
    """Keep what the branch held as a new one, which its children follow. Under the same parent its life begins anew."""
    target, source = named(branches, step.branch), named(branches, step.source)
    assert target is not None  # the rules reset what is there, to what is there
    assert source is not None
    kept = Branch(f"(id of {step.keep_as})", step.keep_as, observed.at, target.parent_id)
    until = target.expires_at
    if until is not None and source.id == target.parent_id:
        until = observed.at.before((target.last_reset_at or target.created_at) - until)
    changed = replace(target, last_reset_at=observed.at, parent_id=source.id, expires_at=until)
    moved = (replace(each, parent_id=kept.id) if each.parent_id == target.id else each for each in branches)
    return (*(changed if each.id == target.id else each for each in moved), kept)


def expiring(branch: Branch, step: ExpireChild) -> Branch:
    """Let the branch expire."""
    expires = step.at or timedelta(seconds=step.seconds or 0)
    return replace(branch, expires_at=lifetime(expires, branch))


def with_database(observed: Observed, step: CreateDatabase) -> Observed:
    """Add the database to those of the branch."""
    branches = observed.branches if isinstance(observed.branches, tuple) else ()
    branch = named(branches, step.branch)
    assert branch is not None  # the rules ask for a database on what is there
    return replace(
        observed,
        databases=tuple(
            Databases(each.branch_id, (*each.names, step.database))
            if each.branch_id == branch.id and isinstance(each.names, tuple)
            else each
            for each in observed.databases
        ),
    )
