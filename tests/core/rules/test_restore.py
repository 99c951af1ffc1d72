"""What differs is set right by the step for it, and by nothing else."""

from dataclasses import replace

import pytest

from reconciler.core.model.desired import DeployDriver, HttpGate, Restore
from reconciler.core.model.observed import DeployedVersion, UploadedVersion
from reconciler.core.plan.plan import plan
from tests.core.files import DESIRED, asking, hours_ago
from tests.core.plans import after
from tests.core.worlds import MAIN, SEEN, WORLD, with_main

RESTORE = Restore(hours_ago(24), "inc-42")


def steps(desired, observed):
    found = plan(desired, observed)
    assert not found.refusals
    return [step.wire_name for step in found.steps]


def with_worker(**changes):
    return replace(WORLD, workers=(replace(SEEN, **changes),))


DRIFT = [
    ("nothing", WORLD, []),
    ("wrangler.jsonc names another config", with_worker(file_hyperdrive_id="other"), ["WriteBinding"]),
    (
        "another binding was deployed",
        with_worker(deployed=(DeployedVersion("v9", 100, "other"),)),
        ["UploadVersion", "SwitchTraffic"],
    ),
    (
        "the binding was deployed away",
        with_worker(deployed=(DeployedVersion("v9", 100, None),)),
        ["UploadVersion", "SwitchTraffic"],
    ),
    (
        "traffic is split over two databases",
        with_worker(deployed=(DeployedVersion("v1", 50, "c0"), DeployedVersion("v2", 50, "other"))),
        ["UploadVersion", "SwitchTraffic"],
    ),
    (
        "traffic is split over two versions of one database",
        with_worker(deployed=(DeployedVersion("v1", 50, "c0"), DeployedVersion("v2", 50, "c0"))),
        [],
    ),
    (
        "a version of another database waits at 0 %",
        with_worker(deployed=(DeployedVersion("v1", 0, "other"), DeployedVersion("v2", 100, "c0"))),
        [],
    ),
    ("the default was moved", with_main(default=False), ["SetDefaultBranch"]),
    ("the branch is being changed", with_main(ready=False), ["AwaitBranch"]),
    ("the branch would expire", with_main(expires_at=hours_ago(-2)), ["ClearExpiry"]),
    (
        "the config is gone",
        replace(WORLD, configs=()),
        ["CreateHyperdrive", "WriteBinding", "UploadVersion", "SwitchTraffic"],
    ),
]


@pytest.mark.parametrize(("what", "observed", "expected"), DRIFT, ids=[case[0] for case in DRIFT])
def test_drift_is_set_right_without_restoring_again(what, observed, expected):
    assert expected == steps(DESIRED, observed)


def test_a_branch_without_a_compute_gets_one():
    observed = replace(with_main(endpoint=None), workers=(), configs=())
    assert ["AddCompute"] == steps(replace(DESIRED, hyperdrive=None, workers=()), observed)


def test_a_config_whose_compute_was_deleted_is_refused_and_not_edited():
    assert ["hyperdrive-differs"] == [each.rule for each in plan(DESIRED, with_main(endpoint=None)).refusals]


def test_a_version_that_an_interrupted_run_uploaded_is_used_and_not_uploaded_again():
    observed = with_worker(deployed=(DeployedVersion("v9", 100, "other"),))
    label = next(step.label for step in plan(DESIRED, observed).steps if step.wire_name == "UploadVersion")
    found = with_worker(
        deployed=(DeployedVersion("v9", 100, "other"),), uploaded=(UploadedVersion("v10", label, "c0"),)
    )
    assert ["SwitchTraffic"] == steps(DESIRED, found)


def test_code_that_was_deployed_since_is_not_rolled_back_by_using_an_older_upload():
    observed = with_worker(deployed=(DeployedVersion("v9", 100, "other"),))
    label = next(step.label for step in plan(DESIRED, observed).steps if step.wire_name == "UploadVersion")
    newer = with_worker(
        deployed=(DeployedVersion("v11", 100, "other"),), uploaded=(UploadedVersion("v10", label, "c0"),)
    )
    assert ["UploadVersion", "SwitchTraffic"] == steps(DESIRED, newer)


def test_the_wrangler_driver_labels_by_the_commit_whose_code_it_uploads():
    desired = replace(DESIRED, workers=(replace(DESIRED.workers[0], deploy=DeployDriver.WRANGLER),))
    observed = replace(with_worker(deployed=(DeployedVersion("v9", 100, "other"),)), commit="abc123")
    (label,) = {step.label for step in plan(desired, observed).steps if hasattr(step, "label")}
    assert label.endswith("code of commit abc123")


def test_a_first_restore_takes_these_steps_in_this_order():
    desired = replace(
        asking(RESTORE), verify=replace(DESIRED.verify, http=(HttpGate("health", "https://961tech.example/health"),))
    )
    expected = [
        "CreateBranch",
        "VerifyBranch",
        "CreateHyperdrive",
        "WriteBinding",
        "UploadVersion",
        "StageVersion",
        "VerifyWorker",
        "SwitchTraffic",
        "VerifyLive",
        "RenameBranch",
        "RenameBranch",
        "ProtectBranch",
        "SetDefaultBranch",
    ]
    assert expected == steps(desired, with_main(protected=True))


def test_an_undo_checks_the_login_and_runs_no_gate_of_the_file():
    restored = after(asking(RESTORE), WORLD)
    verify = next(step for step in plan(DESIRED, restored).steps if step.wire_name == "VerifyBranch")
    assert () == verify.gates


def test_a_change_of_mind_in_the_middle_of_the_switch_goes_back_without_touching_the_candidate():
    observed = WORLD
    found = plan(asking(RESTORE), observed)

    for step in found.steps:
        observed = step.predict(observed)
        if step.wire_name == "SwitchTraffic":
            break
    back = plan(DESIRED, replace(observed, passed=frozenset()))
    assert ["WriteBinding", "UploadVersion", "SwitchTraffic"] == [step.wire_name for step in back.steps]
    assert any("left alone" in warning for warning in back.warnings)


def test_two_workers_are_switched_right_after_each_other():
    desired = replace(asking(RESTORE), workers=(DESIRED.workers[0], replace(DESIRED.workers[0], config="b.jsonc")))
    second = replace(SEEN, config="b.jsonc", script="second")
    names = steps(desired, replace(WORLD, branches=(MAIN,), workers=(SEEN, second)))
    first = names.index("SwitchTraffic")
    assert ["SwitchTraffic", "SwitchTraffic"] == names[first : first + 2]
    assert 2 == names[:first].count("UploadVersion")
