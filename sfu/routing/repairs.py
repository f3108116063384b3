"""The logs and stores from which a subscription's packets can be sent again."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable

from sfu.routing.kernels import command_records as commands
from sfu.routing.kernels.command_class import Command
from sfu.routing.kernels.subscription_columns import SEALED_AUDIO_BYTES, SEALED_BYTES
from sfu.routing.limits import PlaneLimits
from sfu.routing.rows import CapacityError, Rows


class Repairs:
    """Gives subscriptions their logs, and those without RTX a place where their sent packets are kept.

    Both are limited, independently of the number of subscriptions: a subscription that finds none left goes without.
    """

    def __init__(self, limits: PlaneLimits, post: Callable[[int, Command], None], rng: random.Random) -> None:
        """`post` posts a command for a row."""
        self._post = post
        self._rng = rng
        self._logs = Rows("logs", limits.logs if limits.history > 0 else 0)
        self._log_of: dict[int, int] = {}
        self._sealed = Rows("resent", limits.resent if limits.history > 0 else 0)
        self._sealed_of: dict[int, int] = {}
        self.rows = (self._logs, self._sealed)
        """Of both tables, which are taken."""

    def use_rtx(self, subscription: int, *, ssrc: int, payload_type: int) -> bool:
        """Let a subscription ask for packets again, by RTX as `ssrc`; False when there is no log left for it."""
        try:
            log = self._logs.take()
        except CapacityError:
            return False
        self._log_of[subscription] = log
        self._post(subscription, commands.SetRepair(ssrc, payload_type, log, self._rng.getrandbits(15)))
        return True

    def use_resending(self, subscription: int, *, audio: bool) -> bool:
        """Let a subscription ask for packets again without RTX: they are sent as they went out; False when there is no
        place left to keep them.
        """
        try:
            sealed = self._sealed.take()
        except CapacityError:
            return False
        self._sealed_of[subscription] = sealed
        log = -1
        if not audio:
            with contextlib.suppress(CapacityError):  # it only is not paced then
                log = self._log_of[subscription] = self._logs.take()
        size = SEALED_AUDIO_BYTES if audio else SEALED_BYTES
        self._post(subscription, commands.SetResending(sealed, size, log))
        return True

    def release(self, subscription: int) -> None:
        """Give back what a subscription has, since its row is freed."""
        log = self._log_of.pop(subscription, None)
        if log is not None:
            self._logs.give_back(log)
        sealed = self._sealed_of.pop(subscription, None)
        if sealed is not None:
            self._sealed.give_back(sealed)
