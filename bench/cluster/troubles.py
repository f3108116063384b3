"""What may happen to a cluster: at random, but more often to those who are home of something."""

from __future__ import annotations

from collections.abc import Callable

from bench.cluster.node import SimNode
from bench.cluster.trial import Trial

_STEPS = (-3600.0, -3.0, -1.0, -0.4, -0.15, -0.05, 0.05, 0.15, 0.4, 0.8, 1.5, 2.2, 2.6, 3.0, 3600.0)


class Troubles:
    """Each method does one thing to a trial's cluster, now, and perhaps undoes it a little later."""

    def __init__(self, trial: Trial) -> None:
        self._trial = trial
        self._world = trial.world
        self._random = trial.random
        self._choices: list[tuple[int, Callable[[], None]]] = [
            (12, self.toggle), (6, self.flap), (8, self.cut_for_a_while), (2, self.cut), (3, self.die), (1, self.leave),
            (3, self.pause), (4, self.pause_for_a_while), (3, self.step), (4, self.step_and_return), (1, self.flush),
            (1, self.restart), (1, self.stop), (4, self.stall), (3, self.lose), (2, self.move), (2, trial.keep),
            (2, trial.fail_over),
        ]  # fmt: skip

    def pick(self) -> Callable[[], None]:
        """Return one of them."""
        actions = [action for _, action in self._choices]
        return self._random.choices(actions, [weight for weight, _ in self._choices])[0]

    def _some(self) -> SimNode:
        nodes = list(self._world.nodes.values())
        if self._random.random() < 0.5:
            room = self._random.choice(self._trial.rooms)
            nodes = [self._world.nodes[node] for node in self._world.find_holders(room)] or nodes
        return self._random.choice(nodes)

    def _later(self, least: float, most: float, action: Callable[[], None]) -> None:
        self._world.schedule(self._world.now + self._random.uniform(least, most), action)

    def toggle(self) -> None:
        """Somebody comes in to a room, or the last one leaves."""
        self._trial.toggle(self._some(), self._random.choice(self._trial.rooms))

    def flap(self) -> None:
        """The same, again and again within a moment."""
        node, room = self._some(), self._random.choice(self._trial.rooms)
        for _ in range(self._random.randint(2, 4)):
            self._later(0.0, 1.5, lambda: self._trial.toggle(node, room))

    def _set_cut(self, node: SimNode, cut: bool) -> None:
        node.cut = cut
        self._trial.note(f"{node.id} is {'cut off' if cut else 'connected'}")

    def cut(self) -> None:
        """A node is cut off from the store, or connected again."""
        node = self._some()
        self._set_cut(node, not node.cut)

    def cut_for_a_while(self) -> None:
        """About as long as a lease."""
        node = self._some()
        self._set_cut(node, True)
        self._later(0.2, 5.0, lambda: self._set_cut(node, False))

    def die(self) -> None:
        """A process is killed, or begins."""
        node = self._some()
        if node.alive:
            self._trial.note(f"{node.id} dies")
            self._trial.there[node.id].clear()
            node.kill()
        else:
            self._trial.note(f"{node.id} starts")
            self._trial.begin_again(node)

    def leave(self) -> None:
        """A node goes in order."""
        node = self._some()
        if node.alive and not node.paused:
            self._trial.note(f"{node.id} leaves")
            self._trial.there[node.id].clear()
            node.leave()

    def _resume(self, node: SimNode) -> None:
        if node.alive and node.paused:
            self._trial.note(f"{node.id} resumes")
            node.resume()

    def pause(self) -> None:
        """A process stands still, or goes on."""
        node = self._some()
        if node.paused:
            self._resume(node)
        elif node.alive:
            self._trial.note(f"{node.id} is paused")
            node.pause()

    def pause_for_a_while(self) -> None:
        """About as long as a lease."""
        node = self._some()
        if node.alive and not node.paused:
            self._trial.note(f"{node.id} is paused")
            node.pause()
            self._later(0.2, 5.0, lambda: self._resume(node))

    def _step_by(self, seconds: float) -> None:
        self._trial.note(f"the store's clock steps by {seconds}")
        self._world.wall_step += seconds

    def step(self) -> None:
        """The store's clock steps."""
        self._step_by(self._random.choice(_STEPS))

    def step_and_return(self) -> None:
        """It steps, and back again."""
        seconds = self._random.choice(_STEPS)
        self._step_by(seconds)
        self._later(0.0, 3.0, lambda: self._step_by(-seconds))

    def flush(self) -> None:
        """The store loses all."""
        self._trial.note("flush")
        self._world.store.flush()

    def restart(self) -> None:
        """The store begins again with what it had."""
        self._trial.note("the store restarts with what it had")
        self._world.store.restart()

    def stop(self) -> None:
        """The store refuses all, or does not any more."""
        self._world.down = not self._world.down
        self._trial.note(f"the store is {'down' if self._world.down else 'up'}")

    def stall(self) -> None:
        """The store answers late."""
        self._world.stalled_until = self._world.now + self._random.uniform(0.1, 4.0)
        self._trial.note(f"the store stalls until {self._world.stalled_until:.3f}")

    def lose(self) -> None:
        """The network loses and delays, or does not any more."""
        network = self._world.network
        network.loss = self._random.choice((0.0, 0.1, 0.3, 0.6))
        network.late = self._random.choice((0.0, 0.5, 1.0))
        network.latency = self._random.choice((0.0003, 0.005, 0.05, 0.15))
        self._trial.note(f"{network}")

    def move(self) -> None:
        """A room is handed over."""
        self._trial.move(self._some(), self._random.choice(self._trial.rooms), self._some())
