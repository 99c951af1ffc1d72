"""Guards as commands show them: their exit statuses, and that nothing is asked or written where they refuse."""

import json

import pytest

from reconciler.core.plan.plan import plan
from reconciler.render.comment import Planned, section
from reconciler.render.plan import as_markdown, as_text
from tests.support.receipts import receipts


def add_file(production, name, **changes):
    """Put the file of another environment beside it; what is not changed is claimed twice."""
    text = json.dumps({**production.desired, **changes})
    (production.file.parent / f"{name}.jsonc").write_text(text)


def test_two_files_may_not_claim_one_branch(untouched, command):
    untouched.ask(untouched.shop.good)
    add_file(untouched, "staging")
    said = command(untouched, "validate")
    assert said.status == 1
    assert "branch-claimed-twice: production.jsonc and staging.jsonc both claim" in said.stderr
    assert f'worker-claimed-twice: production.jsonc and staging.jsonc both name Worker "{untouched.name}' in said.stderr
    assert command(untouched, "validate", "production").status == 1
    planned = command(untouched, "plan", "production", "--format", "json")
    assert planned.status == 3
    rules = [each["rule"] for each in json.loads(planned.stdout)["refusals"]]
    assert rules == ["branch-claimed-twice", "worker-claimed-twice"]
    assert command(untouched, "apply", "production").status == 3


def test_other_files_do_not_stop_a_plan(untouched, command):
    primary = {**untouched.desired["primary"], "branch": "dev"}
    (untouched.root / "other.jsonc").write_text(
        '{"name": "other", "hyperdrive": [{"binding": "HYPERDRIVE", "id": "0"}]}'
    )
    add_file(untouched, "dev", primary=primary, worker={"config": "other.jsonc", "binding": "HYPERDRIVE"})
    add_file(untouched, "broken", primary=None)
    (untouched.file.parent / "link.jsonc").symlink_to("/dev/zero")
    assert command(untouched, "plan", "production").status == 0


def test_a_missing_binding_is_refused(untouched, command):
    path = untouched.wrangler_path(untouched.scripts[0])
    path.write_text(path.read_text().replace('"HYPERDRIVE"', '"OTHER"'))
    assert [each.rule for each in plan(*untouched.observe()).refusals] == ["binding-missing"]
    said = command(untouched, "plan")
    assert said.status == 3
    assert "binding-missing: " in said.stdout
    assert 'the top level has no Hyperdrive binding "HYPERDRIVE", only OTHER' in said.stdout
    assert 'hint: correct the name, or add "hyperdrive"' in said.stdout


@pytest.mark.parametrize("content", ["", '{"primary": null}', None])
@pytest.mark.parametrize("name", ["plan", "apply"])
def test_an_empty_or_deleted_file_is_a_mistake(untouched, command, name, content):
    if content is None:
        untouched.file.unlink()
    else:
        untouched.file.write_text(content)
    said = command(untouched, name, "production")
    assert (said.status, said.stdout) == (1, "")
    assert said.stderr
    assert untouched.sandbox.requests() == []


def test_a_waived_guard_is_shown_and_recorded(untouched, command):
    untouched.desired["waive"] = [{"guard": "config-limit", "reason": "raised to 100"}]
    untouched.write()
    warning = 'guard config-limit is waived, "raised to 100": it would refuse nothing here'
    desired, observed = untouched.observe()
    found = plan(desired, observed)
    for shown in (as_text(found, observed), as_markdown(found, observed), section(Planned(found, observed))):
        assert "guard config-limit is waived, " in shown
        assert "raised to 100" in shown
    assert json.loads(command(untouched, "apply", "--format", "json").stdout)["warnings"] == [warning]
    assert receipts(untouched.root)[-1][1].lifted == (warning,)


def test_a_restore_names_the_end_of_its_window(untouched):
    untouched.ask(untouched.shop.good)
    desired, observed = untouched.observe()
    assert "\n  window    the moment leaves it in " in as_text(plan(desired, observed), observed)
