"""Answers of the providers in which something is missing, of another kind, huge or doubled: always a sentence.

Never a traceback or an endless loop; and what cannot be read is refused, not guessed.
"""

import asyncio
import json

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from reconciler.cli.console.output import shown
from reconciler.core.file.reading import read_desired_state
from reconciler.core.model.observed import Annotation
from reconciler.core.plan.plan import plan
from reconciler.core.values.instant import Instant
from reconciler.core.values.secret import Secret
from reconciler.core.values.timeline import Timeline
from reconciler.engine.observe import observe
from reconciler.errors import ProviderError, ReconcilerError
from reconciler.ports import Ports, Rebinding
from reconciler.providers import cloudflare, neon
from reconciler.providers.http.client import Api
from reconciler.providers.wrangler.checkout import Checkout
from reconciler.render import plan as plan_text
from tests.support import canned
from tests.support.answers import Answers, Reply
from tests.support.twists import GONE, TWISTS, nodes, twisted

AT = Instant.parse_strict("2026-11-21T09:55:00Z")
FILE = {
    "primary": {"project": canned.PROJECT, "branch": "main", "restore": {"to": AT.text, "id": "inc-42"}},
    "hyperdrive": {"name": "shop", "database": canned.DATABASE, "role": canned.ROLE},
    "worker": {"config": "wrangler.jsonc", "binding": "HYPERDRIVE"},
}
WRANGLER = f'{{"name": "{canned.SCRIPT}", "hyperdrive": [{{"binding": "HYPERDRIVE", "id": "{canned.OLD_CONFIG}"}}]}}'


class QuickClock:
    """The port `Clock`, in which waiting takes no time."""

    def __init__(self):
        self._waited = 0.0

    def now(self):
        return Instant.parse_strict("2026-11-22T10:00:00Z")

    def elapsed(self):
        return self._waited

    async def sleep(self, seconds):
        self._waited += seconds


class World:
    """Both providers on loopback, one of whose answers may be twisted, and our ports to them."""

    def __init__(self, root):
        (root / "wrangler.jsonc").write_text(WRANGLER)
        self.answers = Answers()
        self.asked = 0
        self._loop = asyncio.new_event_loop()
        key, clock = Secret("napi_canary_of_twisted"), QuickClock()
        self._apis = [Api(neon.POLICY, self.answers.url, key)]
        self._apis += [Api(cloudflare.POLICY, self.answers.url, key)]
        self.neon = neon.NeonApi(self._apis[0], clock)
        self.cloudflare = cloudflare.CloudflareApi(self._apis[1], canned.ACCOUNT, clock)
        self.ports = Ports(self.neon, self.cloudflare, Checkout(root), None, None, clock, None)
        self.desired = read_desired_state(json.dumps(FILE), file="f", environment="production", now=clock.now())

    def close(self):
        for api in self._apis:
            self._loop.run_until_complete(api.close())
        self._loop.close()
        self.answers.close()

    def run(self, work):
        return self._loop.run_until_complete(asyncio.wait_for(work, 60))

    def twist(self, key="", at=(), twist=None):
        replies = canned.REPLIES if not key else canned.REPLIES | {key: twisted(canned.REPLIES[key], at, twist)}

        def reply(method, path):
            self.asked += 1
            body = replies.get(canned.key_of(method, path), {})
            kind = "multipart/form-data; boundary=x" if isinstance(body, bytes) else "application/json"
            return Reply(body=body, kind=kind)

        self.asked = 0
        self.answers.reply = reply

    def plan(self):
        """What a person would read of a plan."""
        observed = self.run(observe(self.desired, self.ports))
        found = plan(self.desired, observed)
        said = [form(found, observed) for form in (plan_text.as_text, plan_text.as_markdown)]
        return found, shown("\n".join([*said, plan_text.as_json(found)]))

    def attempts(self):
        """Each further call whose answer means something."""
        project, clock_mark = canned.PROJECT, Annotation("other", Timeline(AT))
        change = Rebinding("HYPERDRIVE", canned.NEW_CONFIG, "label", "tag")
        return {
            "create": self.neon.create_branch(project, "new", "br-old", AT, clock_mark),
            "await": self.neon.await_branch(project, "br-new"),
            "rename": self.neon.rename_branch(project, "br-new", "main"),
            "origin": self.neon.origin(project, "br-new", canned.DATABASE, canned.ROLE),
            "tables": self.neon.tables(project, "br-new", canned.DATABASE, AT),
            "copy": self.cloudflare.copy_version(canned.SCRIPT, canned.OLD_VERSION, change),
        }


PLACES = [(key, at) for key, body in canned.REPLIES.items() for at in nodes(body)]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    made = World(tmp_path_factory.mktemp("twisted"))
    yield made
    made.close()


@pytest.fixture(autouse=True)
def _at_once(without_waiting):
    pass


def test_untwisted_answers_succeed(world):
    """Otherwise all the others would show nothing."""
    world.twist()
    found, _ = world.plan()
    assert found.refusals == ()
    assert found.steps
    for work in world.attempts().values():
        world.run(work)


@pytest.mark.thorough
@given(place=st.sampled_from(PLACES), twist=st.sampled_from(TWISTS))
@example(place=("GET /projects/[^/]+/branches$", ("pagination",)), twist={"next": "forever"})
@example(place=("GET .*/hyperdrive/configs", ("result_info", "total_count")), twist=10**9)
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_twisted_answers_give_a_plan_or_refusal(world, place, twist):
    world.twist(*place, twist)
    _, said = world.plan()
    assert "\x1b" not in said
    said.encode()
    assert world.asked < 150


@given(place=st.sampled_from(PLACES), twist=st.sampled_from(TWISTS), seed=st.data())
@example(place=("GET /projects/[^/]+/connection_uri", ("uri",)), twist="postgresql://app:canaryPw@[::host", seed=None)
@example(place=("GET /projects/[^/]+/connection_uri", ("uri",)), twist="postgresql://app:canary@h:pw@ort/d", seed=None)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_twisted_calls_succeed_or_fail_in_words(world, place, twist, seed):
    world.twist(*place, twist)
    for work in world.attempts().values():
        try:
            world.run(work)
        except ReconcilerError as error:
            assert error.message
            assert "canary" not in error.report


REQUIRED = [
    ("GET /projects/[^/]+$", ("project", "history_retention_seconds"), "project.history_retention_seconds"),
    ("GET /projects/[^/]+/branches$", ("branches",), "branches"),
    ("GET /projects/[^/]+/branches$", ("branches", 1, "created_at"), "branches[1].created_at"),
    ("GET /projects/[^/]+/branches$", ("branches", 0, "id"), "branches[0].id"),
    ("GET /projects/[^/]+/endpoints$", ("endpoints", 1, "host"), "endpoints[1].host"),
    ("GET /projects/[^/]+/operations$", ("operations", 0, "status"), "operations[0].status"),
    ("GET .*/hyperdrive/configs", ("result", 0, "name"), "result[0].name"),
    (f"GET {canned._SCRIPTS}/deployments", ("result", "deployments", 0, "versions", 0, "version_id"), "version_id"),
    (f"GET {canned._SCRIPTS}/versions/{canned.OLD_VERSION}", ("result", "resources", "bindings", 0, "id"), ".id"),
]


@pytest.mark.parametrize(("key", "at", "name"), REQUIRED, ids=[name for *_, name in REQUIRED])
@pytest.mark.parametrize("twist", [GONE, None, {"a": 1}, [1], True])
def test_a_missing_or_wrong_field_is_named(world, key, at, name, twist):
    world.twist(key, at, twist)
    found, _ = world.plan()
    (refusal,) = {each.rule: each for each in found.refusals}.values()
    assert "answered" in refusal.message
    assert name in refusal.message
    assert found.steps == ()
    assert refusal.hint


def test_no_address_error_has_the_password(world):
    for uri in ("postgresql://app:canary", "postgresql://app:canary@host:99999/db", "postgresql://app:canary@[/db", ""):
        world.twist("GET /projects/[^/]+/connection_uri", ("uri",), uri)
        with pytest.raises(ProviderError) as caught:
            world.run(world.neon.origin(canned.PROJECT, "br-new", canned.DATABASE, canned.ROLE))
        chain, error = [], caught.value
        while error is not None:
            chain.append(f"{error!r} {error}")
            error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        assert "canary" not in " ".join(chain)
