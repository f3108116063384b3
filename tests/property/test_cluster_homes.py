"""Several nodes and one directory, in whatever order things go wrong: never two homes of one room, and each living room
finds one again.
"""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bench.cluster.trial import PEACE, Trial
from bench.cluster.world import Network
from tests.property.modes import examples

NODES = ["n0", "n1", "n2", "n3"]
ROOMS = ["room 0", "room 1"]
nodes = st.sampled_from(NODES)
rooms = st.sampled_from(ROOMS)


class Homes(RuleBasedStateMachine):
    """The model is who is in which room. `Trial.check_homes` looks after each single event of the virtual time."""

    @initialize(
        seed=st.integers(0, 1 << 32),
        rates=st.lists(st.floats(0.9951, 1.0049), min_size=len(NODES), max_size=len(NODES)),
    )
    def begin(self, seed: int, rates: list[float]) -> None:
        self.trial = Trial(seed, nodes=0)
        self.trial.rooms = ROOMS
        self.world = self.trial.world
        for name, rate in zip(NODES, rates, strict=True):
            self.trial.add_node(name, rate)
        self.world.run(3.0)

    @rule(node=nodes, room=rooms)
    def somebody_comes_or_the_last_one_goes(self, node: str, room: str) -> None:
        self.trial.toggle(self.world.nodes[node], room)

    @rule(seconds=st.sampled_from([0.01, 0.3, 1.0, 2.0, 2.9, 6.0]))
    def time_passes(self, seconds: float) -> None:
        self.world.run(self.world.now + seconds)

    @rule(node=nodes, cut=st.booleans())
    def partition(self, node: str, cut: bool) -> None:
        self.world.nodes[node].cut = cut

    @rule(node=nodes)
    def process_ends_or_begins(self, node: str) -> None:
        found = self.world.nodes[node]
        if found.alive:
            self.trial.there[node].clear()
            found.kill()
        else:
            self.trial.begin_again(found)

    @rule(node=nodes)
    def process_stands_still_or_goes_on(self, node: str) -> None:
        found = self.world.nodes[node]
        if found.alive:
            found.resume() if found.paused else found.pause()

    @rule(node=nodes, heir=nodes, room=rooms)
    def a_room_is_handed_over(self, node: str, heir: str, room: str) -> None:
        if node != heir:
            self.trial.move(self.world.nodes[node], room, self.world.nodes[heir])

    @rule(seconds=st.floats(-5.0, 5.0) | st.sampled_from([-3600.0, 3600.0]))
    def the_store_s_clock_steps(self, seconds: float) -> None:
        self.world.wall_step += seconds

    @rule()
    def the_store_loses_all(self) -> None:
        self.world.store.flush()

    @rule(down=st.booleans())
    def the_store_goes_and_comes(self, down: bool) -> None:
        self.world.down = down

    @rule(seconds=st.floats(0.1, 4.0))
    def the_store_stands_still(self, seconds: float) -> None:
        self.world.stalled_until = self.world.now + seconds

    @rule()
    def a_replica_keeps_what_there_is(self) -> None:
        self.trial.keep()

    @precondition(lambda self: self.trial.has_replica)
    @rule()
    def a_replica_that_lags_takes_over(self) -> None:
        self.trial.fail_over()

    @rule(
        latency=st.sampled_from([0.0003, 0.01, 0.15]),
        loss=st.sampled_from([0.0, 0.2, 0.6]),
        late=st.sampled_from([0.0, 1.0]),
    )
    def the_network_is_bad(self, latency: float, loss: float, late: float) -> None:
        self.world.network = Network(latency, loss, late)

    @invariant()
    def no_room_has_two_homes(self) -> None:
        assert self.trial.verdict.double_homes == []

    def teardown(self) -> None:
        if not hasattr(self, "trial"):
            return
        self.trial.heal()
        self.world.run(self.world.now + PEACE)
        verdict = self.trial.judge()
        assert verdict.is_good, verdict


TestHomes = Homes.TestCase
TestHomes.settings = settings(max_examples=examples(200), stateful_step_count=30, deadline=None)
