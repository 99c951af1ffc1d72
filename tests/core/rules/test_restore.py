"""What differs is set right by the step for it, and by nothing else."""

from dataclasses import replace

import pytest

from reconciler.core.model.desired import DeployDriver
from reconciler.core.model.observed import DeployedVersion, UploadedVersion
from tests.core.files import BY_BRANCH, DESIRED, gated, hours_ago
from tests.core.plans import after, planned, rules, step_of, taken_until, warnings
from tests.core.worlds import SEEN, WORLD, with_main


def with_worker(**changes):
    return replace(WORLD, workers=(replace(SEEN, **changes),))


def deployed(*versions, **changes):
    return with_worker(deployed=tuple(DeployedVersion(*each) for each in versions), **changes)


STRAY = deployed(("v9", 100, "other"))
LABEL = step_of(DESIRED, STRAY, "UploadVersion").label
UPLOADED = (UploadedVersion("v10", LABEL, "c0"),)
SWITCH = ["UploadVersion", "SwitchTraffic"]
BARE, BARE_WORLD = (
    replace(DESIRED, hyperdrive=None, workers=()),
    replace(with_main(endpoint=None), workers=(), configs=()),
)
DRIFT = {
    "nothing": (DESIRED, WORLD, []),
    "wrangler.jsonc names another config": (DESIRED, with_worker(file_hyperdrive_id="other"), ["WriteBinding"]),
    "another binding was deployed": (DESIRED, STRAY, SWITCH),
    "the binding was deployed away": (DESIRED, deployed(("v9", 100, None)), SWITCH),
    "traffic is split over two databases": (DESIRED, deployed(("v1", 50, "c0"), ("v2", 50, "other")), SWITCH),
    "traffic is split over two versions": (DESIRED, deployed(("v1", 50, "c0"), ("v2", 50, "c0")), []),
    "another database waits at 0 %": (DESIRED, deployed(("v1", 0, "other"), ("v2", 100, "c0")), []),
    "a killed run has uploaded": (DESIRED, deployed(("v9", 100, "other"), uploaded=UPLOADED), ["SwitchTraffic"]),
    "code was deployed since": (DESIRED, deployed(("v11", 100, "other"), uploaded=UPLOADED), SWITCH),
    "the default was moved": (DESIRED, with_main(default=False), ["SetDefaultBranch"]),
    "the branch is being changed": (DESIRED, with_main(ready=False), ["AwaitBranch"]),
    "the branch would expire": (DESIRED, with_main(expires_at=hours_ago(-2)), ["ClearExpiry"]),
    "the config is gone": (DESIRED, replace(WORLD, configs=()), ["CreateHyperdrive", "WriteBinding", *SWITCH]),
    "the compute is gone": (BARE, replace(with_main(endpoint=None), workers=(), configs=()), ["AddCompute"]),
}


@pytest.mark.parametrize(("desired", "observed", "steps"), DRIFT.values(), ids=DRIFT)
def test_drift_is_set_right_without_a_restore(desired, observed, steps):
    assert (steps, []) == (planned(desired, observed), rules(desired, observed))


def test_wrangler_labels_by_commit():
    desired = replace(DESIRED, workers=(replace(DESIRED.workers[0], deploy=DeployDriver.WRANGLER),))
    label = step_of(desired, replace(STRAY, commit="abc123"), "UploadVersion").label
    assert label.endswith("code of commit abc123")


def test_a_first_restore_has_thirteen_steps():
    assert planned(gated(BY_BRANCH), with_main(protected=True)) == [
        "CreateBranch", "VerifyBranch", "CreateHyperdrive", "WriteBinding", "UploadVersion", "StageVersion",
        "VerifyWorker", "SwitchTraffic", "VerifyLive", "RenameBranch", "RenameBranch", "ProtectBranch",
        "SetDefaultBranch",
    ]  # fmt: skip


def test_an_undo_runs_no_gate_of_the_file():
    assert () == step_of(DESIRED, after(BY_BRANCH, WORLD), "VerifyBranch").gates


def test_a_revert_during_the_switch_leaves_the_candidate():
    observed = replace(taken_until(BY_BRANCH, WORLD, "SwitchTraffic"), passed=frozenset())
    assert ["WriteBinding", *SWITCH] == planned(DESIRED, observed)
    assert warnings(DESIRED, observed, "left alone")


def test_two_workers_are_switched_after_each_other():
    desired = replace(BY_BRANCH, workers=(DESIRED.workers[0], replace(DESIRED.workers[0], config="b.jsonc")))
    names = planned(desired, replace(WORLD, workers=(SEEN, replace(SEEN, config="b.jsonc", script="second"))))
    first = names.index("SwitchTraffic")
    assert (["SwitchTraffic"] * 2, 2) == (names[first : first + 2], names[:first].count("UploadVersion"))
