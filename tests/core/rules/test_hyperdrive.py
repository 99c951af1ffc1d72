"""What is set on a Hyperdrive config, what a restore leaves as it is, and a password that nobody can read."""

from dataclasses import replace

import pytest

from reconciler.core.file.reading import DesiredStateError, read_desired_state
from reconciler.core.model.compute import ComputeSettings
from reconciler.core.model.desired import Method
from reconciler.core.model.hyperdrive import CACHING_OFF, NOTHING, Caching, Mtls, Settings, Strategy
from reconciler.core.model.observed import Unknown
from reconciler.core.plan.plan import plan
from reconciler.core.rules.hyperdrive.upkeep import branch_with_password, most_connections
from reconciler.core.steps import arguments
from reconciler.core.steps.hyperdrive import UpdateHyperdrive
from reconciler.core.values.instant import Instant
from tests.core.files import BY_BRANCH, DESIRED, NOW, RESTORE, asking, hours_ago, primary
from tests.core.plans import after, planned, rules, step_of, warnings
from tests.core.worlds import CONFIG, MAIN, WORLD

MTLS = Mtls("ca-1", "cert-1", "verify-full")
DECLARED, OFF = Settings(CACHING_OFF, 40, MTLS), Settings(CACHING_OFF)
LIMITED = Settings(connection_limit=97)
VERIFIED = Settings(mtls=Mtls(sslmode="verify-full"))


def declaring(settings, strategy=Strategy.REBIND):
    return replace(DESIRED, hyperdrive=replace(DESIRED.hyperdrive, settings=settings, strategy=strategy))


def world(branch=MAIN, **changes):
    told = replace(CONFIG, connection_limit=60, modified_at=hours_ago(48))
    return replace(WORLD, configs=(replace(told, **changes),), branches=(branch,))


def sized(smallest, largest, branch=MAIN):
    return replace(branch, endpoint=replace(branch.endpoint, settings=ComputeSettings(smallest, largest)))


def small(observed):
    return replace(observed, branches=tuple(sized(0.25, 0.25, each) for each in observed.branches))


SMALL = small(world())

# What is declared


@pytest.mark.parametrize(
    ("changes", "different", "found"),
    [
        ({"caching": CACHING_OFF, "mtls": MTLS}, Settings(connection_limit=40), "connection limit 60"),
        ({"connection_limit": 40, "mtls": MTLS}, OFF, "caching max_age 60 s, stale_while_revalidate 15 s"),
        ({"caching": CACHING_OFF, "connection_limit": 40}, Settings(mtls=MTLS), "mTLS none"),
        (
            {"caching": CACHING_OFF, "mtls": MTLS, "connection_limit": None},
            Settings(connection_limit=40),
            "no known connection limit",
        ),
    ],
)
def test_only_what_differs_is_set(changes, different, found):
    desired, observed = declaring(DECLARED), world(**changes)
    step = step_of(desired, observed, "UpdateHyperdrive")
    assert (different, True) == (step.settings, found in step.reason)
    assert plan(desired, after(desired, observed)).in_sync


STEPS = {
    "nothing declared": (declaring(NOTHING), world(caching=CACHING_OFF, mtls=MTLS, connection_limit=7), []),
    "a part of the certificates": (declaring(VERIFIED), world(mtls=MTLS), []),
    "a pool restarted before": (
        declaring(OFF, Strategy.REPOINT), world(restarted_at=hours_ago(40)), ["UpdateHyperdrive", "RestartPool"]
    ),
    "the compute is declared too": (
        primary(declaring(LIMITED), compute=ComputeSettings(1, 1)), SMALL, ["SetCompute", "UpdateHyperdrive"]
    ),
}  # fmt: skip


@pytest.mark.parametrize(("desired", "observed", "steps"), STEPS.values(), ids=STEPS)
def test_settings_need_steps(desired, observed, steps):
    assert planned(desired, observed) == steps
    assert plan(desired, after(desired, observed)).in_sync


def test_certificates_that_are_not_declared_stay():
    observed = world(mtls=replace(MTLS, sslmode="verify-ca"))
    assert VERIFIED == step_of(declaring(VERIFIED), observed, "UpdateHyperdrive").settings
    assert MTLS == after(declaring(VERIFIED), observed).configs[0].mtls


def test_by_repoint_settings_follow_a_restore():
    desired = asking(RESTORE, declaring(OFF, Strategy.REPOINT))
    assert planned(desired, world())[-2:] == ["UpdateHyperdrive", "RestartPool"]
    assert plan(desired, after(desired, world())).in_sync


DEFAULTS = asking(RESTORE, declaring(Settings(caching=Caching())))


@pytest.mark.parametrize(
    ("desired", "changes", "settings"),
    [
        (BY_BRANCH, {"caching": CACHING_OFF, "mtls": MTLS}, Settings(CACHING_OFF, 60, MTLS)),
        (
            asking(RESTORE, declaring(Settings(caching=Caching()))),
            {"caching": CACHING_OFF},
            Settings(connection_limit=60),
        ),
    ],
    ids=["as the old one", "as declared, without Cloudflare's defaults"],
)
def test_a_new_config_is_set(desired, changes, settings):
    assert settings == step_of(desired, world(**changes), "CreateHyperdrive").settings


def test_a_restore_changes_no_settings():
    restored = after(BY_BRANCH, world(caching=CACHING_OFF, mtls=MTLS))
    assert {Settings(CACHING_OFF, 60, MTLS)} == {each.settings for each in restored.configs}


def test_a_first_config_gets_what_is_declared():
    desired = replace(declaring(DECLARED), workers=())
    assert DECLARED == step_of(desired, replace(WORLD, configs=(), workers=()), "CreateHyperdrive").settings


def test_settings_in_words_and_json():
    told = arguments(UpdateHyperdrive(hyperdrive="tech961", settings=DECLARED, reason=""))["settings"]
    assert told["caching"] == {"disabled": True, "max_age": 60, "stale_while_revalidate": 15}
    assert told["mtls"]["sslmode"] == "verify-full"
    assert str(DECLARED) == ("caching off; connection limit 40; mTLS CA ca-1, certificate cert-1, sslmode verify-full")


# Connections


@pytest.mark.parametrize(
    ("smallest", "largest", "most"),
    [(0.25, 0.25, 97), (0.25, 8, 832), (1, 4, 1671), (8, 16, 3993), (56, 56, 3993), (0.1, 0.1, 97), (None, None, None)],
)
def test_a_compute_takes_connections_by_its_size(smallest, largest, most):
    assert most == most_connections(sized(smallest, largest))


def test_without_a_compute_no_number_is_known():
    assert most_connections(replace(MAIN, endpoint=None)) is None


@pytest.mark.parametrize(("limit", "refused"), [(96, []), (97, ["connection-limit-too-high"])])
def test_a_limit_beyond_the_compute_is_refused(limit, refused):
    found = plan(declaring(Settings(connection_limit=limit)), SMALL)
    assert refused == [each.rule for each in found.refusals]
    assert all("97" in each.message and "97" in each.hint for each in found.refusals)


def test_a_limit_that_is_set_only_warns():
    desired = declaring(Settings(connection_limit=300), Strategy.REPOINT)
    observed = small(after(asking(RESTORE, desired), world(connection_limit=300)))
    assert rules(desired, observed) == []
    (told,) = [each for each in warnings(desired, observed, "connections") if "compute" in each]
    assert ("300" in told, "97" in told) == (True, True)


@pytest.mark.parametrize("strategy", Strategy)
@pytest.mark.parametrize("method", Method)
def test_a_restore_keeps_an_impossible_limit(method, strategy):
    desired = asking(RESTORE, declaring(Settings(CACHING_OFF, 97), strategy), method)
    restored = after(desired, SMALL)
    assert ([], {60}) == (rules(desired, SMALL), {each.connection_limit for each in restored.configs})
    assert CACHING_OFF in {each.caching for each in restored.configs}
    assert rules(desired, restored) == ["connection-limit-too-high"]


def test_by_repoint_a_limit_that_stays_is_said():
    desired = asking(RESTORE, declaring(LIMITED, Strategy.REPOINT))
    create = step_of(desired, SMALL, "CreateBranch")
    assert create.compute == SMALL.branches[0].endpoint.settings
    assert warnings(desired, create.predict(SMALL), "hyperdrive.connection_limit is 97, but the compute of")


def test_more_connections_than_a_candidate_takes_are_said():
    observed = world(connection_limit=300)
    made = small(step_of(BY_BRANCH, observed, "CreateBranch").predict(observed))
    assert warnings(BY_BRANCH, made, "may open 300")


# The password

CHANGED = replace(world(), password_changed_at=hours_ago(1))
RESTORED = after(BY_BRANCH, world())


def test_a_password_changed_since_the_login_is_renewed():
    step = step_of(DESIRED, CHANGED, "RenewPassword")
    assert ("tech961", "main", "tech961", "app") == (step.hyperdrive, step.branch, step.database, step.role)
    assert (True, True) == (str(hours_ago(1)) in step.reason, str(hours_ago(48)) in step.reason)


UNRENEWED = {
    "never changed": world(),
    "changed before": replace(world(), password_changed_at=hours_ago(49)),
    "changed within a minute": replace(world(), password_changed_at=Instant(hours_ago(48).milliseconds + 59_000)),
    "no login is told": replace(world(modified_at=None), password_changed_at=NOW),
    "renewed": after(DESIRED, CHANGED),
    "renewed, whatever the clocks say": replace(
        CHANGED, passed=frozenset({step_of(DESIRED, CHANGED, "RenewPassword").key})
    ),
}


@pytest.mark.parametrize("observed", UNRENEWED.values(), ids=UNRENEWED)
def test_a_password_is_left_alone(observed):
    assert plan(DESIRED, observed).in_sync


def test_a_held_password_is_renewed_before_users_return():
    observed = replace(RESTORED, password_changed_at=hours_ago(1))
    held = branch_with_password(DESIRED, RESTORED)
    assert (".held." in held.name, held.name) == (True, step_of(DESIRED, observed, "RenewPassword").branch)
    steps = planned(DESIRED, observed)
    assert steps.index("RenewPassword") < steps.index("SwitchTraffic")


def test_by_repoint_the_password_goes_along():
    desired = declaring(NOTHING, Strategy.REPOINT)
    restored = after(asking(RESTORE, desired), world())
    steps = planned(desired, replace(restored, password_changed_at=NOW))
    assert "RenewPassword" not in steps[: steps.index("RepointHyperdrive")]


@pytest.mark.parametrize(
    ("desired", "observed", "branch"),
    [
        (DESIRED, WORLD, MAIN),
        (BY_BRANCH, WORLD, None),
        (DESIRED, replace(WORLD, configs=()), None),
        (DESIRED, replace(WORLD, configs=Unknown("gone")), None),
        (DESIRED, replace(WORLD, branches=Unknown("gone")), None),
        (DESIRED, replace(WORLD, branches=()), None),
    ],
)
def test_a_password_is_read_for_the_login(desired, observed, branch):
    assert branch_with_password(desired, observed) == branch


# The file

FILE = """{"primary": {"project": "p-1", "branch": "main", "restore": null},
 "hyperdrive": {"name": "h", "database": "d", "role": "r"%s}}"""


def read(more):
    return read_desired_state(FILE % more, file="production.jsonc", environment="production", now=NOW).hyperdrive


ALL = """, "strategy": "repoint", "caching": {"max_age": 5}, "connection_limit": 5,
  "mtls": {"ca_certificate_id": "ca-1", "sslmode": "verify-ca"}"""


@pytest.mark.parametrize(
    ("more", "strategy", "settings"),
    [
        (ALL, Strategy.REPOINT, Settings(Caching(max_age=5), 5, Mtls("ca-1", "", "verify-ca"))),
        ("", Strategy.REBIND, NOTHING),
        (', "caching": {"disabled": true}', Strategy.REBIND, OFF),
    ],
)
def test_the_file_declares_settings(more, strategy, settings):
    found = read(more)
    assert (strategy, settings) == (found.strategy, found.settings)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (', "connection_limit": 4', "hyperdrive.connection_limit must be from 5 to 1500, and is 4"),
        (', "caching": {"max_age": 0}', "hyperdrive.caching.max_age must be from 1 to 3600 seconds, and is 0"),
        (', "caching": {"disabled": true, "max_age": 5}', "Cloudflare keeps no other setting of it then"),
        (', "mtls": {"sslmode": "verify-full"}', "there is no CA to verify with"),
        (', "mtls": {"sslmode": "require", "ca_certificate_id": "c"}', "takes no ca_certificate_id"),
        (', "mtls": {"ca_certificate_id": "a/b"}', "must look like an id of Cloudflare's"),
        (', "strategy": "replace"', "must be 'rebind' or 'repoint', and is \"replace\""),
        (', "caching": {"maxage": 5}', 'did you mean "max_age"?'),
    ],
)
def test_settings_that_contradict_are_mistakes(more, said):
    with pytest.raises(DesiredStateError) as error:
        read(more)
    assert said in error.value.report
