"""Drift: what was changed by hand on a timeline that is live as the file asks.

A plan says what will be done; this says what was found, and what was expected. What a restore has not done yet is not
drift, so it is not reported while another timeline is live. The rules decide whether a difference is repaired or
refused: nothing here decides anything, nor is it in the digest.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from reconciler.core.lineage.hyperdrive import config_name
from reconciler.core.lineage.infer import ProvenanceUnknown
from reconciler.core.lineage.lineage import Lineage, TimelineBranch, accounts_for
from reconciler.core.model.desired import Desired
from reconciler.core.model.observed import (
    Branch,
    HyperdriveConfig,
    Observed,
    ObservedWorker,
    Project,
    Unknown,
    known,
    named,
)
from reconciler.core.model.refusal import Refusal
from reconciler.core.rules.project import protection
from reconciler.core.values.timeline import ORIGIN, HeldName


class Answer(Enum):
    """What is done about a difference."""

    REPAIRED = "apply repairs it"
    REFUSED = "nothing is done until you resolve it"
    LEFT = "it is left alone"


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that was changed: a sentence with what was found and what was expected, and the answer."""

    what: str
    answer: Answer

    def __str__(self) -> str:
        return f"{self.what}: {self.answer.value}"


def differences(
    desired: Desired, observed: Observed, lineage: Lineage | None, refusals: tuple[Refusal, ...]
) -> tuple[Difference, ...]:
    """List what is known to have been changed by hand, in the order of a restore."""
    branches, configs = known(observed.branches), known(observed.configs)
    stops = any(each.blocks_restores for each in refusals)
    repaired = Answer.REFUSED if stops else Answer.REPAIRED
    left = Answer.REFUSED if stops else Answer.LEFT
    if lineage is None:
        return tuple(Difference(what, Answer.REFUSED) for what in _unknown(desired, observed, branches, refusals))
    found = [*((what, left) for what in _of_histories(lineage, branches))]
    if lineage.live.timeline == desired.timeline and not lineage.swapping and lineage.proof_branch is None:
        found += ((what, repaired) for what in _of_the_primary(desired, observed, lineage, branches))
        found += ((what, repaired) for what in _of_hyperdrive(desired, observed, lineage, branches, configs))
        held = left if desired.primary.expire_on_neon is None else repaired
        found += ((what, held) for what in _of_held_branches(desired, lineage))
    return tuple(Difference(what, answer) for what, answer in found)


def _unknown(
    desired: Desired, observed: Observed, branches: tuple[Branch, ...], refusals: tuple[Refusal, ...]
) -> Iterator[str]:
    """Say why it is unknown which timeline is live."""
    primary = desired.primary.branch
    if branches and named(branches, primary) is None:
        yield from (f'the branch that {users} is called "{name}", not "{primary}"' for users, name in _used(observed))
    for refusal in refusals:
        if isinstance(refusal, ProvenanceUnknown):
            yield from refusal.signs


def _used(observed: Observed) -> Iterator[tuple[str, str]]:
    """Find the branches that Workers use, by the configs that they serve from."""
    workers = [each for each in observed.workers if isinstance(each, ObservedWorker)]
    for config in known(observed.configs):
        users = [each.script for each in workers if each.serves(config.id)]
        for branch in known(observed.branches):
            if users and branch.endpoint is not None and branch.endpoint.host == config.host:
                yield f"{', '.join(users)} {'use' if len(users) > 1 else 'uses'}", branch.name


def _of_histories(lineage: Lineage, branches: tuple[Branch, ...]) -> Iterator[str]:
    """Say what was done to the histories: resets, and renames of held branches."""
    live, ours = lineage.live, (*lineage.held, *lineage.superseded)
    reset = live.branch.last_reset_at
    if reset is not None and not accounts_for(reset, [each.branch for each in ours]):
        then = [f'"{each.name}"' for each in branches if each.id != live.branch.id and accounts_for(reset, [each])]
        created = f" ({', '.join(then)} was created then)" if then else ""
        yield f'"{live.branch.name}" was reset or restored at {reset}, and no branch name says what it held{created}'
    yield from _renamed_out(lineage, branches)


def _renamed_out(lineage: Lineage, branches: tuple[Branch, ...]) -> Iterator[str]:
    """Find held branches that lost their name: the parent of one of ours is one of ours."""
    ours = (lineage.live, *lineage.held, *lineage.superseded, *lineage.candidates, *lineage.failed, *lineage.proved)
    known = {each.branch.id for each in ours}
    for each in ours:
        parent = next((branch for branch in branches if branch.id == each.branch.parent_id), None)
        if each.branch.mark is not None and parent is not None and parent.id not in known:
            expected = _expected_name(lineage, each)
            called = f'"{expected}"' if expected else "held"
            yield f'the parent of "{each.branch.name}" is called "{parent.name}", not {called}'


def _expected_name(lineage: Lineage, child: TimelineBranch) -> str:
    """Return the lost name of the branch that the live one replaced last; empty if it is not lost, or unknown."""
    live, last = lineage.live, lineage.newest.held if lineage.newest else None
    if child != live or lineage.swapping or (last is not None and last.before == live.timeline):
        return ""
    held, number = (last.before, last.sequence + 1) if last else (ORIGIN, 1)
    return HeldName(live.branch.name, held, live.timeline, number).name


def _of_the_primary(
    desired: Desired, observed: Observed, lineage: Lineage, branches: tuple[Branch, ...]
) -> Iterator[str]:
    """Say what is repaired on the primary. Protection without room is not repaired: a warning says so."""
    primary, project = lineage.live.branch, observed.project
    full = isinstance(project, Project) and not protection.has_room(project, branches)
    if primary.endpoint is None:
        yield f'"{primary.name}" has no compute, so nothing can query it'
    if primary.expires_at is not None:
        yield f'Neon will delete "{primary.name}" at {primary.expires_at}, and it must not expire'
    if not primary.protected and not full and protection.is_wanted(desired, lineage):
        was = protection.was_there(lineage)
        yield f'"{primary.name}" is not protected, but {"it was" if was else "the file asks for it"}'
    if desired.primary.default and not primary.default and primary.name == desired.primary.branch:
        default = next((f'"{branch.name}"' for branch in branches if branch.default), "none")
        yield f'the default branch is {default}, not "{primary.name}"'


def _of_hyperdrive(
    desired: Desired,
    observed: Observed,
    lineage: Lineage,
    branches: tuple[Branch, ...],
    configs: tuple[HyperdriveConfig, ...],
) -> Iterator[str]:
    if desired.hyperdrive is None or isinstance(observed.configs, Unknown):
        return
    name = config_name(desired, lineage.live, lineage, branches, configs, observed.workers)
    config = named(configs, name)
    if config is None:
        yield f'there is no Hyperdrive config "{name}", which should point to "{lineage.live.branch.name}"'
        yield from _of_used_configs(observed, lineage.live.branch, branches, configs)
    else:
        yield from _of_config(desired, config, lineage.live.branch)
    identity, called = config.id if config else "", {each.id: f'"{each.name}"' for each in configs}
    for seen in observed.workers:
        if isinstance(seen, ObservedWorker):
            yield from _of_worker(seen, name, identity, called)


def _of_used_configs(
    observed: Observed, live: Branch, branches: tuple[Branch, ...], configs: tuple[HyperdriveConfig, ...]
) -> Iterator[str]:
    """Say where the configs that are in use point instead."""
    hosts = {each.endpoint.host: f' ("{each.name}")' for each in branches if each.endpoint is not None}
    workers = [each for each in observed.workers if isinstance(each, ObservedWorker)]
    for config in configs:
        if any(each.serves(config.id) for each in workers):
            yield (
                f'Hyperdrive config "{config.name}", which is in use, points to {config.host}:{config.port}'
                f'{hosts.get(config.host, "")}, not to "{live.name}"'
            )


def _of_config(desired: Desired, config: HyperdriveConfig, branch: Branch) -> Iterator[str]:
    assert desired.hyperdrive is not None
    wanted = {"database": desired.hyperdrive.database, "user": desired.hyperdrive.role}
    found = {"database": config.database, "user": config.user}
    if branch.endpoint is not None:
        wanted["origin"] = f"{branch.endpoint.host}:{branch.endpoint.port}"
        found["origin"] = f"{config.host}:{config.port}"
    for part in (part for part in wanted if found[part] != wanted[part]):
        yield f'the {part} of Hyperdrive config "{config.name}" is {found[part]}, not {wanted[part]}'


def _of_worker(seen: ObservedWorker, name: str, identity: str, called: dict[str, str]) -> Iterator[str]:
    if seen.file_hyperdrive_id != identity:
        names = called.get(seen.file_hyperdrive_id, f"the unknown config {seen.file_hyperdrive_id}")
        yield f'{seen.config} names {names}, not "{name}"'
    if not seen.serves_only(identity):
        shares = [
            f"{each.percentage:g} % on {called.get(each.hyperdrive_id or '', 'no existing config')}"
            for each in seen.deployed
        ]
        yield f'Worker "{seen.script}" serves {", ".join(shares)}, not 100 % on "{name}"'


def _of_held_branches(desired: Desired, lineage: Lineage) -> Iterator[str]:
    """Say which held branches certainly expire before their hold ends: it began after they were created."""
    hold = desired.primary.hold
    for each in lineage.held:
        expires = each.branch.expires_at
        if expires is not None and (hold is None or expires < each.branch.created_at.before(-hold)):
            yield (
                f'Neon will delete "{each.branch.name}" at {expires}, before its hold ends: after that, you can\'t go '
                f"back to {each.timeline}"
            )
