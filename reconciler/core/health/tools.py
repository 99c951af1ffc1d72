"""What a restore needs of the machine that applies it: keys, wrangler and Node, and the Git remote."""

import re
from collections.abc import Iterator

from reconciler.core.health.checks import (
    NEITHER,
    Check,
    GitRemote,
    LeaseSign,
    Missing,
    SetUp,
    State,
    Unneeded,
    unknown_check,
)
from reconciler.core.model.observed import Unknown

_CAN_READ = "read access works; write access can't be checked"
# Major versions. The uploads of wrangler 4 are what this is tested with.
_OLDEST_WRANGLER = (4,)
# From this one on wrangler needs Node 22 (`engines` in wrangler's package.json: 4.86 is the newest that runs on 20).
_WRANGLER_FOR_NODE_22 = (4, 87)
_GIT_NEEDED = "git remote add origin ADDRESS: leases keep two runs apart there, and restores are proposed there"


def keys(setup: SetUp) -> Iterator[Check]:
    """Check the keys and tokens."""
    for variable, problem in setup.keys:
        yield Check(variable, State.OK, _CAN_READ) if problem is None else unknown_check(variable, problem)


def checks(setup: SetUp) -> Iterator[Check]:
    """Check the tools and the remote."""
    yield _wrangler(setup.wrangler)
    yield _node(setup.node, setup.wrangler)
    yield _remote(setup.remote)
    yield _lease(setup.lease)
    yield _protection(setup)


def _wrangler(version: str | Unknown | Unneeded) -> Check:
    match version:
        case Unneeded(reason):
            return Check("wrangler", State.OK, reason)
        case Unknown():
            return unknown_check("wrangler", version)
    if _numbers(version) < _OLDEST_WRANGLER:
        remedy = 'npm install wrangler@4, or set "deploy": "rebind", which needs none'
        return Check("wrangler", State.FAILED, f"{version} is too old, wrangler 4 is needed", remedy)
    return Check("wrangler", State.OK, version)


def _node(version: str | Unknown | Unneeded, wrangler: str | Unknown | Unneeded) -> Check:
    match version:
        case Unneeded(reason):
            return Check("Node", State.OK, reason)
        case Unknown():
            return unknown_check("Node", version)
    newer = isinstance(wrangler, str) and _numbers(wrangler) >= _WRANGLER_FOR_NODE_22
    least = 22 if newer else 20
    if _numbers(version) < (least,):
        what = f"wrangler {wrangler}" if isinstance(wrangler, str) else "wrangler 4"
        return Check("Node", State.FAILED, f"{version} is too old, {what} needs {least}", f"install Node {least}")
    return Check("Node", State.OK, version)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(each) for each in re.findall("[0-9]+", version)[:3])


def _remote(remote: GitRemote | Unknown | Missing | Unneeded) -> Check:
    match remote:
        case Unneeded(reason):
            return Check("Git remote", State.OK, reason)
        case Missing(reason, remedy):
            return Check("Git remote", State.WARNING, reason, remedy or _GIT_NEEDED)
        case Unknown():
            return unknown_check("Git remote", remote)
    return Check("Git remote", State.OK, f"{remote.said}, default branch {remote.default_branch}")


def _lease(lease: LeaseSign | Unknown | Unneeded) -> Check:
    match lease:
        case Unneeded(reason):
            return Check("lease", State.OK, reason)
        case Unknown():
            return unknown_check("lease", lease)
    if lease.holder:
        return Check("lease", State.WARNING, lease.holder, "an apply waits for it; do not apply beside it")
    seen = f"a push to {lease.ref} is taken, in a dry run that asks no hooks and rules"
    return Check("lease", State.OK, seen)


def _protection(setup: SetUp) -> Check:
    name, protected = "branch protection", setup.protected
    match protected:
        case Unneeded(reason):
            return Check(name, State.OK, reason)
        case Unknown():
            return unknown_check(name, protected, NEITHER)
    branch = setup.remote.default_branch if isinstance(setup.remote, GitRemote) else "the default branch"
    if protected:
        return Check(name, State.OK, f"{branch} is protected")
    remedy = "protect it on GitHub (Settings > Rules): who may push to it may restore production without a review"
    return Check(name, State.WARNING, f"{branch} is not protected", remedy)
