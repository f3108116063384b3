"""Plays a record in a browser: `sfu play`. `Player` is for other programs, too: a record in their own pages."""

from sfu.node.player.app import Player

__all__ = ["Player"]
