"""A production that is restored over and over, for tests that ask the same of many small differences."""

import re
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass

from tests.support.database import DAMAGED, GOOD
from tests.support.production import Production
from tests.support.shops import PRIMARY
from tests.support.waiting import eventually
from tests.support.web import WebServer

_OPERATION = "/operations/"


@dataclass(frozen=True)
class Write:
    """A write of a clean run: the `nth` that matches `pattern`, after so many reads of the same provider."""

    method: str
    pattern: str
    nth: int
    reads: str
    reads_before: int


class Bench:
    """Restores one production to the same moment, each time as another timeline, from the same held origin."""

    def __init__(self, sandbox, shops, directories):
        self._sandbox = sandbox
        self._shops = shops
        self._directories = directories
        self._web = WebServer()
        self._production = None
        self._count = 0
        self.clean_writes = []

    def __enter__(self):
        try:
            with self.restore() as production:
                assert production.apply().converged
                self.check_restored()
                self.clean_writes = list(_writes(production))
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error):
        self._web.close()
        self._give_up()

    def _give_up(self):
        production, self._production = self._production, None
        if production is not None:
            production.remove()

    @contextmanager
    def restore(self):
        """Ask for a restore that was never asked for; the caller applies it. A failure costs the production."""
        self._count += 1
        production = self._production or self._make()
        production.ask(production.shop.good, id=f"n{self._count}")
        self._sandbox.forget_requests()
        try:
            yield production
        except BaseException:
            self._give_up()
            raise
        self._tidy()

    def _make(self):
        root = self._directories.mktemp("bench")
        self._production = Production(self._sandbox, self._shops.take(), root, protected=True)
        self._production.verify(sql=[("select true", True)], http=[self._web.url])
        return self._production

    def _tidy(self):
        """Leave the live branch, the origin and their configs, as after a first restore."""
        production = self._production
        self._sandbox.calm()
        for name, branch in production.branches().items():
            if name == PRIMARY:
                continue
            if branch["protected"]:
                production.change_branch(branch, protected=False)
            if not name.startswith("main.held.origin."):
                self._sandbox.neon("DELETE", f"/projects/{production.project}/branches/{branch['id']}")
        for name in set(production.own_configs()) - {production.name, production.config_name()}:
            self._sandbox.cloudflare("DELETE", f"/hyperdrive/configs/{production.config(name)['id']}")
        eventually(production.is_idle, "the end of the deletions")

    def writes_now(self):
        return self._sandbox.writes()

    def check_restored(self):
        """Exactly one of each was made for the timeline, its rows are live, and nothing is left to do."""
        production = self._production
        timeline = production.timeline()
        production.check_live(GOOD)
        assert production.timeline_branches(timeline) == [PRIMARY]
        assert production.branch(PRIMARY)["protected"]
        assert production.own_configs().count(production.config_name()) == 1
        (held,) = [name for name in production.branches() if re.fullmatch(rf".*\.before\.{timeline}(\.\d+)?", name)]
        if held.startswith("main.held.origin."):
            assert production.rows_on(held) == DAMAGED
        assert production.apply().taken == ()


def _writes(production):
    seen, reads = Counter(), Counter()
    for request in production.sandbox.requests():
        provider = "/".join(request.path.split("/")[:3])
        if not request.is_write:
            reads[provider] += _OPERATION not in request.path
            continue
        # Other productions, of which there is only one at a time, have other names for the same things.
        pattern = re.sub(r"/(projects|branches|scripts)/[^/]+", r"/\1/[^/]+", request.path)
        key = request.method, f"^{pattern}$"
        seen[key] += 1
        # Not the polling of operations, of which nobody knows how often it will be.
        yield Write(*key, seen[key], rf"^{provider}/(?!.*{_OPERATION})", reads[provider])
