"""The state machine that draws schedules."""

from collections import Counter

from hypothesis import HealthCheck, Phase, Verbosity, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from tests.exhaustive.faults import FAULTS, NOTHING
from tests.randomised.play import Violated
from tests.randomised.schedule import (
    DRIVERS,
    HOLDS,
    METHODS,
    Ask,
    ByHand,
    Change,
    Death,
    Health,
    ManualChange,
    Note,
    Run,
    Settle,
    Strike,
    Together,
    Wait,
)

_WRITES, _REQUESTS = st.integers(1, 12), st.integers(1, 90)
_FAULTS = [each for each in FAULTS if each is not NOTHING and not each.kills]
_STRIKES = st.sampled_from(_FAULTS).flatmap(
    lambda fault: st.builds(
        Strike,
        st.just(fault.name),
        st.integers(1, 3) if fault.applies == "operations" else _WRITES if fault.applies == "write" else _REQUESTS,
    )
)
_SEVERAL = st.lists(_STRIKES, max_size=4).map(tuple)
_DEATHS = st.builds(Death, _REQUESTS, st.booleans())
_TURNS = st.lists(st.integers(1, 40), min_size=1, max_size=12).map(tuple)
_ATTEMPTS = st.one_of(
    st.builds(Run, _SEVERAL),
    st.builds(Run, _SEVERAL, _DEATHS),
    st.builds(Together, _TURNS, _SEVERAL, st.none() | _DEATHS),
)
_ASKS = st.one_of(
    st.just(Ask()),
    st.builds(Ask, st.integers(0, 4), st.sampled_from(["", "a", "b"])),
    st.builds(Ask, st.integers(0, 4), st.sampled_from(["", "a", "b"]), st.integers(0, 5)),
)
_CHANGES = st.builds(
    Change,
    st.sampled_from(METHODS),
    st.sampled_from(HOLDS),
    # The real wrangler has a process of its own, and so has what stands for it: it is drawn seldom.
    st.sampled_from([DRIVERS[0], *DRIVERS]),
    st.booleans(),
    st.booleans(),
    st.sampled_from(["rollback", "hold"]),
    st.booleans(),
)


def machine(worlds, counts):  # noqa: C901  one method per rule, and no more
    """Make the class of a state machine that plays on the worlds, and adds to `counts` what it did."""

    class Schedules(RuleBasedStateMachine):
        @initialize(workers=st.sampled_from([1, 1, 2]), method=st.sampled_from(METHODS))
        def begin(self, workers, method):
            self.play = worlds.begin(workers, counts)
            self._do(Change(method))

        def _do(self, action):
            worlds.play(self.play, self.play.do(action))

        @rule(ask=_ASKS)
        def ask(self, ask):
            self._do(ask)

        @rule(ask=_ASKS, attempt=_ATTEMPTS)
        def ask_and_attempt(self, ask, attempt):
            self._do(ask)
            self._do(attempt)

        @rule(attempt=_ATTEMPTS)
        def attempt(self, attempt):
            self._do(attempt)

        @rule(change=_CHANGES)
        def change(self, change):
            self._do(change)

        @rule(health=st.builds(Health, st.booleans(), st.booleans()))
        def health(self, health):
            self._do(health)

        @rule(time=st.just(Note()) | st.builds(Wait, st.sampled_from([45, 3600, 90_000])))
        def time_passes(self, time):
            self._do(time)

        @rule(what=st.sampled_from(ManualChange), which=st.integers(0, 5))
        def by_hand(self, what, which):
            self._do(ByHand(what, which))

        @precondition(lambda self: not self.play.has_settled)
        @rule()
        def settle(self):
            self._do(Settle())

        def teardown(self):
            if hasattr(self, "play"):
                worlds.play(self.play, self.play.finish())

    return Schedules


def explore(worlds, number, examples, steps):
    """Play as many schedules, drawn by a seed. Return what was done, and the first that violates something."""
    counts = Counter()
    drawn = seed(number)(machine(worlds, counts))
    wanted = settings(
        max_examples=examples,
        stateful_step_count=steps,
        database=None,
        deadline=None,
        verbosity=Verbosity.quiet,
        phases=[Phase.generate],  # made smaller it is by ourselves, in a given time and without what decided the draw
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
        print_blob=False,
    )
    try:
        run_state_machine_as_test(drawn, settings=wanted)
    except Violated as violated:
        return counts, violated
    return counts, None
