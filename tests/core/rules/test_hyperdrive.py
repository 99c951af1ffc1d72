"""What is set on a Hyperdrive config, what a restore leaves as it is, and a password that nobody can read."""

from dataclasses import replace

import pytest

from reconciler.core.file.reading import DesiredStateError, read_desired_state
from reconciler.core.model.compute import ComputeSettings
from reconciler.core.model.desired import Method, Restore
from reconciler.core.model.hyperdrive import CACHING_OFF, NOTHING, Caching, Mtls, Settings, Strategy
from reconciler.core.model.observed import Endpoint, Unknown
from reconciler.core.plan.plan import plan
from reconciler.core.rules.hyperdrive.settings import logged_in_to, most_connections
from reconciler.core.steps import arguments
from reconciler.core.steps.hyperdrive import CreateHyperdrive, RenewPassword, RepointHyperdrive, UpdateHyperdrive
from reconciler.core.values.instant import Instant
from tests.core.files import DESIRED, NOW, asking, hours_ago
from tests.core.plans import after
from tests.core.worlds import CONFIG, MAIN, WORLD

RESTORE = Restore(hours_ago(24))
MTLS = Mtls("ca-1", "cert-1", "verify-full")
DECLARED = Settings(CACHING_OFF, 40, MTLS)
TOLD = replace(CONFIG, connection_limit=60, modified_at=hours_ago(48))


def declaring(settings, strategy=Strategy.REBIND):
    return replace(DESIRED, hyperdrive=replace(DESIRED.hyperdrive, settings=settings, strategy=strategy))


def world(branch=MAIN, **changes):
    return replace(WORLD, configs=(replace(TOLD, **changes),), branches=(branch,))


def sized(smallest, largest):
    return replace(MAIN, endpoint=Endpoint("ep-main", "ep-main.neon.tech", settings=ComputeSettings(smallest, largest)))


def update(desired, observed):
    (step,) = plan(desired, observed).steps
    assert isinstance(step, UpdateHyperdrive)
    return step


@pytest.mark.parametrize(
    ("changes", "different", "found"),
    [
        ({"caching": CACHING_OFF, "mtls": MTLS}, Settings(connection_limit=40), "connection limit 60"),
        (
            {"connection_limit": 40, "mtls": MTLS},
            Settings(caching=CACHING_OFF),
            "caching max_age 60 s, stale_while_revalidate 15 s",
        ),
        ({"caching": CACHING_OFF, "connection_limit": 40}, Settings(mtls=MTLS), "mTLS none"),
        (
            {"caching": CACHING_OFF, "mtls": MTLS, "connection_limit": None},
            Settings(connection_limit=40),
            "no connection limit that is told",
        ),
    ],
)
def test_only_what_differs_is_set_and_it_is_said_what_was_there(changes, different, found):
    desired, observed = declaring(DECLARED), world(**changes)
    step = update(desired, observed)
    assert different == step.settings
    assert found in step.reason
    assert plan(desired, after(desired, observed)).in_sync


def test_what_the_file_does_not_declare_is_not_ours_to_change():
    assert plan(declaring(NOTHING), world(caching=CACHING_OFF, mtls=MTLS, connection_limit=7)).in_sync


def test_a_part_of_the_certificates_that_is_not_declared_stays():
    desired = declaring(Settings(mtls=Mtls(sslmode="verify-full")))
    assert plan(desired, world(mtls=MTLS)).in_sync
    weaker = world(mtls=replace(MTLS, sslmode="verify-ca"))
    assert Settings(mtls=Mtls(sslmode="verify-full")) == update(desired, weaker).settings
    assert MTLS == after(desired, weaker).configs[0].mtls


def test_by_repoint_what_is_set_is_followed_by_a_restart_where_the_pool_was_restarted_before():
    desired = declaring(Settings(CACHING_OFF), Strategy.REPOINT)
    names = [step.wire_name for step in plan(desired, world(restarted_at=hours_ago(40))).steps]
    assert names == ["UpdateHyperdrive", "RestartPool"]


def test_by_repoint_what_is_set_after_a_restore_is_followed_by_a_restart_of_its_own():
    desired = asking(RESTORE, declaring(Settings(CACHING_OFF), Strategy.REPOINT))
    assert [step.wire_name for step in plan(desired, world()).steps][-2:] == ["UpdateHyperdrive", "RestartPool"]
    assert plan(desired, after(desired, world())).in_sync


def test_a_restore_does_not_switch_on_a_cache_that_was_off_nor_change_anything_else():
    (create,) = [
        s for s in plan(asking(RESTORE), world(caching=CACHING_OFF, mtls=MTLS)).steps if type(s) is CreateHyperdrive
    ]
    assert Settings(CACHING_OFF, 60, MTLS) == create.settings
    restored = after(asking(RESTORE), world(caching=CACHING_OFF, mtls=MTLS))
    assert {Settings(CACHING_OFF, 60, MTLS)} == {each.settings for each in restored.configs}


def test_a_new_config_gets_what_is_declared_and_defaults_of_cloudflare_are_not_sent():
    desired = asking(RESTORE, declaring(Settings(caching=Caching())))
    (create,) = [step for step in plan(desired, world(caching=CACHING_OFF)).steps if type(step) is CreateHyperdrive]
    assert Settings(connection_limit=60) == create.settings
    nobody = replace(declaring(DECLARED), workers=())
    (made,) = plan(nobody, replace(WORLD, configs=(), workers=())).steps
    assert DECLARED == made.settings


def test_settings_are_told_in_words_and_in_json():
    step = UpdateHyperdrive(hyperdrive="tech961", settings=DECLARED, reason="")
    told = arguments(step)["settings"]
    assert told["caching"] == {"disabled": True, "max_age": 60, "stale_while_revalidate": 15}
    assert told["mtls"]["sslmode"] == "verify-full"
    expected = "caching off; connection limit 40; mTLS CA ca-1, certificate cert-1, sslmode verify-full"
    assert expected == str(DECLARED)


@pytest.mark.parametrize(
    ("smallest", "largest", "most"),
    [(0.25, 0.25, 97), (0.25, 8, 832), (1, 4, 1671), (8, 16, 3993), (56, 56, 3993), (0.1, 0.1, 97), (None, None, None)],
)
def test_how_many_connections_a_compute_takes_follows_from_its_size(smallest, largest, most):
    assert most == most_connections(sized(smallest, largest))
    assert most_connections(replace(MAIN, endpoint=None)) is None


@pytest.mark.parametrize(("limit", "rules"), [(96, []), (97, ["connection-limit-too-high"])])
def test_a_declared_limit_that_the_compute_does_not_take_is_refused_with_both_numbers(limit, rules):
    found = plan(declaring(Settings(connection_limit=limit)), world(sized(0.25, 0.25)))
    assert rules == [each.rule for each in found.refusals]
    assert all("97" in each.message and "97" in each.hint for each in found.refusals)


def test_a_limit_that_is_there_already_is_in_nobodys_way_and_is_warned_of_where_a_restored_branch_is_smaller():
    desired = declaring(Settings(connection_limit=300), Strategy.REPOINT)
    held = asking(RESTORE, desired)
    observed = after(held, world(connection_limit=300))
    small = tuple(
        replace(each, endpoint=replace(each.endpoint, settings=ComputeSettings(0.25, 0.25)))
        for each in observed.branches
    )
    undo = plan(desired, replace(observed, branches=small))
    assert not undo.refusals
    (told,) = [each for each in undo.warnings if "connections" in each and "compute" in each]
    assert "300" in told
    assert "97" in told


@pytest.mark.parametrize("strategy", Strategy)
@pytest.mark.parametrize("method", Method)
def test_a_restore_does_not_wait_for_a_limit_that_can_not_be_set_and_keeps_the_one_there_is(method, strategy):
    desired = asking(RESTORE, declaring(Settings(CACHING_OFF, 97), strategy), method)
    small = world(sized(0.25, 0.25))
    found, converged = plan(desired, small), after(desired, small)
    assert (found.refusals, {each.connection_limit for each in converged.configs}) == ((), {60})
    assert CACHING_OFF in {each.caching for each in converged.configs}
    assert [each.rule for each in plan(desired, converged).refusals] == ["connection-limit-too-high"]


def test_by_repoint_it_is_told_beforehand_that_the_limit_stays_as_it_is():
    desired = asking(RESTORE, declaring(Settings(connection_limit=97), Strategy.REPOINT))
    small = world(sized(0.25, 0.25))
    create = plan(desired, small).steps[0]
    told = plan(desired, create.predict(small)).warnings
    assert create.compute == small.branches[0].endpoint.settings
    assert any(each.startswith("hyperdrive.connection_limit is 97, and the compute of") for each in told)


def test_a_limit_that_only_the_declared_compute_takes_is_set_once_the_compute_is_so():
    desired = declaring(Settings(connection_limit=97))
    desired = replace(desired, primary=replace(desired.primary, compute=ComputeSettings(1, 1)))
    small = world(sized(0.25, 0.25))
    assert ["SetCompute", "UpdateHyperdrive"] == [step.wire_name for step in plan(desired, small).steps]
    assert plan(desired, after(desired, small)).in_sync


def test_a_new_config_with_more_connections_than_the_candidate_takes_is_warned_of():
    desired, observed = asking(RESTORE), world(connection_limit=300)
    observed = plan(desired, observed).steps[0].predict(observed)
    small = tuple(
        replace(each, endpoint=replace(each.endpoint, settings=ComputeSettings(0.25, 0.25)))
        for each in observed.branches
    )
    assert any("may open 300" in each for each in plan(desired, replace(observed, branches=small)).warnings)


def test_a_password_that_neon_has_changed_since_hyperdrive_last_logged_in_is_renewed_once():
    changed = replace(world(), password_changed_at=hours_ago(1))
    (step,) = plan(DESIRED, changed).steps
    assert isinstance(step, RenewPassword)
    assert ("tech961", "main", "tech961", "app") == (step.hyperdrive, step.branch, step.database, step.role)
    assert str(hours_ago(1)) in step.reason
    assert str(hours_ago(48)) in step.reason
    assert plan(DESIRED, after(DESIRED, changed)).in_sync
    assert plan(DESIRED, replace(changed, passed=frozenset({step.key}))).in_sync, "whatever the clocks say"


@pytest.mark.parametrize("changed", [None, hours_ago(49), Instant(hours_ago(48).milliseconds + 59_000)])
def test_a_password_that_was_not_changed_since_is_left_alone(changed):
    assert plan(DESIRED, replace(world(), password_changed_at=changed)).in_sync


def test_where_it_is_not_told_when_the_config_was_changed_no_password_is_renewed():
    assert plan(DESIRED, replace(world(modified_at=None), password_changed_at=NOW)).in_sync


def test_a_password_that_was_changed_while_a_timeline_was_held_is_renewed_before_users_come_back_to_it():
    restored = after(asking(RESTORE), world())
    held = next(each for each in restored.branches if ".held." in each.name)
    assert held == logged_in_to(DESIRED, restored)
    steps = plan(DESIRED, replace(restored, password_changed_at=hours_ago(1))).steps
    names = [step.wire_name for step in steps]
    assert names.index("RenewPassword") < names.index("SwitchTraffic")
    assert held.name == next(step for step in steps if isinstance(step, RenewPassword)).branch


def test_by_repoint_the_password_goes_along_with_the_origin():
    desired = declaring(NOTHING, Strategy.REPOINT)
    restored = after(asking(RESTORE, desired), world())
    steps = plan(desired, replace(restored, password_changed_at=NOW)).steps
    assert not any(
        isinstance(step, RenewPassword)
        for step in steps[: steps.index(next(step for step in steps if isinstance(step, RepointHyperdrive)))]
    )


def test_a_password_is_looked_at_only_where_a_config_leads_to_the_branch_that_is_asked_for():
    assert logged_in_to(DESIRED, WORLD) == MAIN
    for nothing in (
        logged_in_to(asking(RESTORE), WORLD),
        logged_in_to(DESIRED, replace(WORLD, configs=())),
        logged_in_to(DESIRED, replace(WORLD, configs=Unknown("gone"))),
        logged_in_to(DESIRED, replace(WORLD, branches=Unknown("gone"))),
        logged_in_to(DESIRED, replace(WORLD, branches=())),
    ):
        assert nothing is None


FILE = """{"primary": {"project": "p-1", "branch": "main", "restore": null},
 "hyperdrive": {"name": "h", "database": "d", "role": "r"%s}}"""


def read(more):
    return read_desired_state(FILE % more, file="production.jsonc", environment="production", now=NOW).hyperdrive


def test_the_file_declares_a_strategy_a_cache_a_limit_and_certificates():
    found = read(
        ', "strategy": "repoint", "caching": {"max_age": 5}, "connection_limit": 5,'
        '"mtls": {"ca_certificate_id": "ca-1", "sslmode": "verify-ca"}'
    )
    assert Strategy.REPOINT is found.strategy
    assert Settings(Caching(max_age=5), 5, Mtls("ca-1", "", "verify-ca")) == found.settings
    assert (Strategy.REBIND, NOTHING) == (read("").strategy, read("").settings)
    assert CACHING_OFF == read(', "caching": {"disabled": true}').settings.caching


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
def test_what_can_not_be_set_together_or_at_all_is_a_mistake_in_the_file(more, said):
    with pytest.raises(DesiredStateError) as error:
        read(more)
    assert said in error.value.report
