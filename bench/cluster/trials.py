"""Small clusters in trouble, seed by seed: no room may have two homes, and once all is well each has one again."""

from __future__ import annotations

from bench.cluster.trial import PEACE, TROUBLE, Trial, Verdict
from bench.cluster.troubles import Troubles
from sfu.cluster.timing import CLUSTER, Timing


def run_trial(seed: int, *, timing: Timing = CLUSTER) -> Verdict:
    """Play one seed."""
    trial = Trial(seed, timing=timing)
    troubles = Troubles(trial)
    for room in trial.rooms:
        for node in trial.world.nodes.values():
            if trial.random.random() < 0.7:
                trial.toggle(node, room)
    for _ in range(trial.random.randint(5, 60)):
        trial.world.schedule(trial.random.uniform(0.0, TROUBLE), troubles.pick())
    trial.world.run(TROUBLE)
    trial.heal()
    trial.world.run(TROUBLE + PEACE)
    return trial.judge()
