"""What `status` says of what is held: since when, until when, how large, and what keeps it."""

from dataclasses import replace
from datetime import timedelta

from reconciler.core.plan.plan import plan
from reconciler.render import plan as plan_text
from reconciler.render.status import as_markdown, as_text, facts_of
from tests.core.files import BY_BRANCH, DESIRED
from tests.core.plans import after
from tests.core.rules.test_retention import ENDED, LEAF, LEAF_CONFIG, UNDONE, later
from tests.core.worlds import WORLD, changed


def facts(desired, observed):
    return facts_of(plan(desired, observed), observed) | {"lease": None}


def test_a_held_branch_has_age_size_config_and_end():
    world = changed(later(UNDONE, timedelta(days=1)), LEAF, size=31_457_280)
    (held,) = facts(DESIRED, world)["held"]
    assert (held["branch"], held["hyperdrive"], held["size_bytes"]) == (LEAF, [LEAF_CONFIG], 31_457_280)
    text = as_text(facts(DESIRED, world), "")
    assert f"replaced 1 d ago, 31.5 MB, Hyperdrive config {LEAF_CONFIG}" in text.replace("1 d 1 min", "1 d")
    assert f"held until {held['held_until']} (5 d 23 h left)" in text


def test_the_fate_of_held_branches_is_shown():
    assert "an apply deletes it" in as_text(facts(DESIRED, ENDED), "")
    kept = as_text(facts(BY_BRANCH, later(after(BY_BRANCH, WORLD), timedelta(days=30))), "")
    assert "and it is kept: main was created from it; Neon never deletes a project's first branch" in kept


def test_a_failed_branch_is_managed_and_deleted():
    world = changed(ENDED, LEAF, name=LEAF.replace(".before.origin.2", "").replace(".held.", ".failed."))
    told = facts(DESIRED, world)
    assert [each["fate"].endswith("an apply deletes it") for each in told["failed"]] == [True]
    assert (told["held"], told["unmanaged"]) == ([], [])


def test_unknown_size_and_age_have_no_line():
    world = changed(ENDED, LEAF, updated_at=None, endpoint=None)
    text = as_text(facts(DESIRED, world), "")
    assert "kept: Neon does not report when it was replaced" in text
    assert "replaced" not in text.replace("when it was replaced", "")


def test_markdown_has_a_row_for_each_timeline_and_worker():
    told = facts(DESIRED, ENDED) | {"unmanaged": ["some|body"], "lease": {"unknown": "no *remote*"}}
    text = as_markdown(told, "until tomorrow")
    assert text.startswith(
        "**`production`**: 2 steps from what is asked; asked: `origin`\n\n| | ".replace("| | ", "|  | ")
    )
    (held,) = [line for line in text.splitlines() if line.startswith("| held |")]
    assert (f"`{LEAF}`" in held, held.endswith("an apply deletes it |")) == (True, True)
    assert "| `tech961-api` | 100 % on tech961 | `wrangler.jsonc` | `tech961` |" in text
    assert text.endswith(
        "- lease: cannot be read: no \\*remote\\*\n- suspended: until tomorrow\n"
        "- room: 2 of 25 branches, apply deletes 1 of these; 2 Hyperdrive configs, apply deletes 1 of these\n"
        "- other: branch some\\|body (not managed here)"
    )


def test_markdown_has_no_row_for_what_is_unknown():
    refused = facts(DESIRED, changed(WORLD, "main", name="other")) | {"workers": []}
    text = as_markdown(refused, "")
    assert "refused; asked: `origin`; what is live is not known" in text
    assert "|" not in text.split("\n- ")[0]


def test_a_plan_names_the_end_of_a_hold():
    (told,) = [each for each in plan_text.as_text(plan(DESIRED, UNDONE), UNDONE).splitlines() if "  held  " in each]
    (held,) = facts(DESIRED, UNDONE)["held"]
    assert told == f'  held      {held["timeline"]}, on branch "{LEAF}", until {held["held_until"]} at least'
    forever = replace(DESIRED, primary=replace(DESIRED.primary, hold=None))
    assert f'on branch "{LEAF}"\n' in plan_text.as_text(plan(forever, UNDONE), UNDONE)
