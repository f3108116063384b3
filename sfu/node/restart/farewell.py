"""How a process ends that has a successor, so that whoever has started it does not take the node for gone."""

from __future__ import annotations

import logging
import os
import sys

from sfu.node.restart.follower import become_follower
from sfu.node.restart.notify import is_notified, notify

FOLLOWED = "_SFU_FOLLOWED"
"""Environment variable of a successor whose parent stays for it and for those that come after."""

_log = logging.getLogger("sfu.node")


def leave_to(process: int) -> None:
    """End this process, or become the `follower` of its successor. Returns where the caller has just to end."""
    if is_notified():
        notify(f"MAINPID={process}")
    elif not os.environ.get(FOLLOWED):
        _log.info("this process stays to follow its successor", extra={"successor": process})
        sys.stdout.flush()
        sys.stderr.flush()
        become_follower(process)
