"""The LiveKit protocol: rooms for the clients and the server SDKs that speak it (compatible, not affiliated)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sfu.signaling.livekit.mounting import create_app
    from sfu.signaling.livekit.options import LiveKitOptions
    from sfu.signaling.livekit.sight import Sight

__all__ = ["LiveKitOptions", "Sight", "create_app"]
_PLACES = {"LiveKitOptions": "options", "Sight": "sight", "create_app": "mounting"}

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Imported when it is first used: the protocol's messages take half a second to load."""
        from importlib import import_module

        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
