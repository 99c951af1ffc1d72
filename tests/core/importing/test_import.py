"""What an import decides, and the text that it writes."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.file.reading import read_desired_state
from reconciler.core.importing.choice import Asked, WorkerFile, choose, nothing_found
from reconciler.core.importing.primary import base_name, direct_host, primary_of, refuse_ours
from reconciler.core.importing.signs import declared_branches_of, hold_of, with_strategy
from reconciler.core.importing.text import Because, written
from reconciler.core.model.desired import DeclaredBranch, Desired, Hyperdrive, Method, Primary, Restore, Worker
from reconciler.core.model.hyperdrive import Strategy
from reconciler.core.model.observed import Annotation, Branch, DeclaredAnnotation
from reconciler.core.plan.plan import plan
from reconciler.core.values.timeline import Timeline
from reconciler.errors import InputError
from tests.core.files import DESIRED, NOW, asking, hours_ago
from tests.core.plans import after, ended
from tests.core.worlds import MAIN, PROJECT, WORLD

ASKED = Asked("production")
TOP = WorkerFile("wrangler.jsonc", {None: ("DB",), "dev": ()})
BOTH = WorkerFile("wrangler.jsonc", {None: ("DB",), "dev": ("DB", "STATS")})
OWN = WorkerFile("wrangler.jsonc", {None: ("DB",), "production": ("OWN",)})
BECAUSE = Because("a project", "a branch", "a restore", "a method", "a hold", "a config", ("a Worker",))


@pytest.mark.parametrize(
    ("file", "asked", "chosen"),
    [
        (TOP, ASKED, (None, "DB")),
        (OWN, ASKED, ("production", "OWN")),
        (OWN, Asked("production", ""), (None, "DB")),
        (BOTH, Asked("production", "dev", "STATS"), ("dev", "STATS")),
        (BOTH, Asked("production", None, "STATS"), ("dev", "STATS")),
    ],
    ids=["the only one", "of that name", "the top level is asked for", "both are asked for", "told by the binding"],
)
def test_a_clear_binding_is_chosen(file, asked, chosen):
    found = choose(file, asked)
    assert (found.worker.environment, found.worker.binding) == chosen
    assert found.worker.config == file.config


def test_the_bindings_that_are_not_chosen_are_told():
    assert choose(BOTH, Asked("dev", binding="DB")).others == ("STATS",)


@pytest.mark.parametrize(
    ("file", "asked"),
    [
        (WorkerFile("w", {None: ("DB",), "production": ()}), ASKED),
        (WorkerFile("w", {None: ()}), ASKED),
        (TOP, Asked("production", "nobody")),
        (TOP, Asked("production", None, "STATS")),
    ],
    ids=["its own environment has none", "none at all", "no such environment", "no such binding"],
)
def test_a_missing_binding_is_not_replaced(file, asked):
    assert choose(file, asked) is None


@pytest.mark.parametrize(
    ("file", "asked", "option"),
    [
        (BOTH, ASKED, "--wrangler-environment dev"),
        (BOTH, Asked("production", None, "DB"), "--wrangler-environment dev"),
        (BOTH, Asked("dev"), "--binding DB"),
    ],
    ids=["two environments", "one binding in two environments", "two bindings"],
)
def test_what_is_ambiguous_names_the_option_that_chooses(file, asked, option):
    with pytest.raises(InputError) as caught:
        choose(file, asked)
    assert option in caught.value.hint


def test_nothing_found_lists_what_there_is():
    said = nothing_found((TOP, OWN), Asked("production", "x", "STATS")).message
    assert said.startswith('no Hyperdrive binding "STATS" for production was found in env.x. ')
    assert "wrangler.jsonc: the top level (DB), env.dev (none); " in said
    assert "there is no wrangler.jsonc" in nothing_found((), ASKED).message


@pytest.mark.parametrize(
    ("host", "direct"),
    [
        ("ep-main-pooler.eu-1.aws.neon.tech", "ep-main.eu-1.aws.neon.tech"),
        ("ep-main.neon-pooler.tech", "ep-main.neon-pooler.tech"),
        ("localhost", "localhost"),
        ("", ""),
    ],
)
def test_a_pooled_host_has_a_direct_one(host, direct):
    assert direct_host(host) == direct


def test_a_config_name_loses_its_timeline():
    for name in ("tech961", "tech961-r-20261121T095500000Z", "tech961-r-20261121T095500000Z-inc-42-2"):
        assert base_name(name) == "tech961"
    assert base_name("tech961-r-2") == "tech961-r-2"


@pytest.mark.parametrize("method", Method)
def test_a_restored_world_is_read_again(method):
    first = asking(Restore(hours_ago(1), "inc-42"), method=method)
    world = after(first, WORLD)
    found = primary_of("production", PROJECT.id, "main", world.branches)
    assert found.primary == replace(DESIRED.primary, restore=Restore(hours_ago(1), "inc-42"), method=method)
    assert "from the" in found.restore
    undone = after(asking(None, method=method), world)
    found = primary_of("production", PROJECT.id, "main", undone.branches)
    assert found.primary.restore is None
    assert "is live again" in found.restore


def test_a_primary_never_restored_is_on_origin():
    found = primary_of("production", PROJECT.id, "main", WORLD.branches)
    assert (found.primary, found.restore) == (
        Primary(PROJECT.id, "main"),
        "the original timeline: no branch shows a restore",
    )


def test_where_signs_disagree_the_timeline_cannot_be_told():
    marked = replace(MAIN, mark=Annotation("another", Timeline(NOW)))
    assert primary_of("production", PROJECT.id, "main", (marked,)).restore == "unknown"


def test_a_branch_of_a_restore_is_no_primary():
    world = ended(after(asking(Restore(hours_ago(1))), WORLD))
    for branch in world.branches:
        if branch.name == "main":
            refuse_ours(branch)
            continue
        with pytest.raises(InputError, match="which is no primary") as caught:
            refuse_ours(branch)
        assert 'a restore of "main"' in caught.value.message
    assert len(world.branches) > 1


STAGING = DeclaredBranch("staging", reset="sprint-2")
EVERY_BRANCH = (STAGING, DeclaredBranch("preview", "staging", compute=False), DeclaredBranch("shape", schema_only=True))


def lost(desired, observed):
    """Import what a file has made that is lost since, with the config that is bound; give what is read again."""
    found = primary_of("production", PROJECT.id, "main", observed.branches)
    hold, why = hold_of(found.lineage)
    bound = next(each for each in observed.configs if each.id == observed.workers[0].file_hyperdrive_id)
    hyperdrive = Hyperdrive(base_name(bound.name), bound.database, bound.user)
    imported = replace(
        Desired("production", replace(found.primary, hold=hold), workers=desired.workers),
        hyperdrive=with_strategy(hyperdrive, bound, found.lineage),
        branches=declared_branches_of("production", found.lineage, observed.branches),
    )
    text = written(imported, replace(BECAUSE, hold=why))
    return imported, read_desired_state(text, file="f", environment="production", now=NOW)


@pytest.mark.parametrize("strategy", Strategy)
@pytest.mark.parametrize("method", Method)
@pytest.mark.parametrize("branches", [None, EVERY_BRANCH])
def test_a_lost_file_is_in_sync_again(strategy, method, branches):
    first = replace(DESIRED, branches=(replace(STAGING, reset=""),)) if branches else DESIRED
    hyperdrive = replace(DESIRED.hyperdrive, strategy=strategy)
    desired = asking(Restore(hours_ago(24)), replace(first, branches=branches, hyperdrive=hyperdrive), method)
    world = after(desired, replace(after(first, WORLD), uses=()))
    world = replace(world, at=world.at.before(timedelta(days=-40)))
    imported, read = lost(desired, world)
    assert read == replace(imported, verify=read.verify)
    assert read.branches == (None if branches is None else tuple(sorted(branches, key=lambda each: each.name)))
    assert plan(read, world).in_sync
    undo = asking(None, read)
    assert plan(undo, world).refusals == ()


def test_the_strategy_is_read_from_the_config():
    told = {}
    for strategy in Strategy:
        desired = replace(DESIRED, hyperdrive=replace(DESIRED.hyperdrive, strategy=strategy))
        told[strategy] = lost(desired, after(asking(Restore(hours_ago(24)), desired), WORLD))[1].hyperdrive.strategy
    assert told == {each: each for each in Strategy}
    assert lost(DESIRED, WORLD)[1].hyperdrive.strategy is Strategy.REBIND


def test_what_is_held_is_kept_by_import():
    assert hold_of(None)[0] == timedelta(days=7)
    held = after(asking(Restore(hours_ago(24))), WORLD)
    hold, why = hold_of(primary_of("production", PROJECT.id, "main", held.branches).lineage)
    assert (hold, "main.held.origin.before." in why) == (None, True)


def test_parents_of_declared_branches_are_found():
    kept = Branch("br-kept", "staging.before-reset.b", NOW, MAIN.id)
    staging, preview = (
        Branch(f"br-{name}", name, NOW, parent, child=DeclaredAnnotation("production", name, "a"))
        for name, parent in (("staging", "gone"), ("preview", kept.id))
    )
    found = declared_branches_of("production", None, (MAIN, kept, staging, preview))
    assert found == (
        DeclaredBranch("preview", "staging", "a", compute=False),
        DeclaredBranch("staging", None, "b", compute=False),
    )
    assert declared_branches_of("other", None, (staging,)) is None


workers = st.builds(
    Worker,
    st.sampled_from(["wrangler.jsonc", "a b/ü.jsonc"]),
    st.sampled_from(["DB", "$x"]),
    st.sampled_from([None, 'a"b']),
)
names = st.text(st.characters(categories=("L", "N", "P", "S")), min_size=1, max_size=20)


@given(
    st.builds(
        Primary, st.just("p-1"), names, st.sampled_from([None, Restore(hours_ago(1), "x")]), st.sampled_from(Method)
    ),
    st.one_of(st.none(), st.builds(Hyperdrive, names, names, names)),
    st.lists(workers, max_size=2),
    st.text(max_size=30),
)
def test_any_text_says_what_was_decided(primary, hyperdrive, workers, reason):
    desired = Desired("production", primary, hyperdrive, tuple(workers) if hyperdrive else ())
    because = Because(reason, reason, reason, reason, reason, reason, (reason,) * len(desired.workers))
    text = written(desired, because)
    read = read_desired_state(text, file="f", environment="production", now=NOW)
    assert (read.primary, read.hyperdrive, read.workers) == (primary, hyperdrive, desired.workers)


def test_each_line_says_what_it_was_read_from():
    text = written(Desired("production", DESIRED.primary, DESIRED.hyperdrive, DESIRED.workers), BECAUSE)
    assert text == (
        "// Which history of the data is live in production, and what points to it.\n"
        "// Written by reconciler import: each comment says what its line was read from.\n"
        "{\n"
        '  "$schema": "./schema.json",\n'
        "\n"
        '  "primary": {\n'
        '    "project": "aged-wildflower-123456", // a project\n'
        '    "branch": "main", // a branch\n'
        '    "restore": null, // a restore\n'
        '    "method": "branch", // a method\n'
        '    "hold": "7d", // a hold\n'
        "  },\n"
        "\n"
        '  "hyperdrive": { "name": "tech961", "database": "tech961", "role": "app" }, // a config\n'
        "\n"
        '  "worker": { "config": "wrangler.jsonc", "binding": "HYPERDRIVE" }, // a Worker\n'
        "}\n"
    )


def test_two_workers_have_a_line_each():
    restore = Restore(hours_ago(1), "inc-42")
    primary, staging = replace(DESIRED.primary, restore=restore), Worker("b.jsonc", "DB", "staging")
    desired = Desired("production", primary, DESIRED.hyperdrive, (*DESIRED.workers, staging))
    text = written(desired, replace(BECAUSE, workers=("one", "other")))
    assert '    "restore": { "to": "2026-11-22T09:00:00.000Z", "id": "inc-42" }, // a restore\n' in text
    assert text.endswith(
        '  "worker": [\n'
        '    { "config": "wrangler.jsonc", "binding": "HYPERDRIVE" }, // one\n'
        '    { "config": "b.jsonc", "binding": "DB", "environment": "staging" }, // other\n'
        "  ],\n}\n"
    )


def test_a_reason_stays_on_its_line():
    assert "// a?b??c\n" in written(Desired("e", DESIRED.primary), Because("a\nb\r\u2028c", "", "", "", ""))
