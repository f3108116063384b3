"""The WHEP layer extension: a viewer chooses what quality of a video it wants at most."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from sfu import Subscription
from sfu.signaling.context import Context
from sfu.signaling.http.body import decode_text, read_body, require_media_type
from sfu.signaling.http.headers import JSON
from sfu.signaling.http.problem import Problem
from sfu.signaling.resources.resource import Resource
from sfu.signaling.resources.session_access import find_viewing
from sfu.signaling.sessions.layer_choice import LayerChoice, parse_choice, resolve_choice
from sfu.signaling.sessions.sessions import Session


class LayerResource:
    """`/rooms/{room}/sessions/{session}/layer`."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def build(self) -> Resource:
        """The resource."""
        return Resource({"POST": self.post}, {"Accept-Post": JSON})

    async def post(self, request: Request) -> Response:
        """Take a choice (draft-ietf-wish-whep, Video Layer Selection); one without bounds is back to automatic.

        Each request says all that is wanted: a bound or a pause that it leaves out is gone.
        """
        find_viewing(self._context, request)
        body = await read_body(request, self._context.options)
        if body:
            require_media_type(request, [JSON], "Accept-Post")
        choice = parse_choice(decode_text(body))
        # Once more: while the body came, the session may have ended.
        subscription = _find_video(find_viewing(self._context, request), choice)
        subscription.set_ceiling(resolve_choice(choice, subscription.track))
        if choice.paused:
            subscription.pause()
        else:
            subscription.resume()
        return Response(status_code=200)


def _find_video(session: Session, choice: LayerChoice) -> Subscription:
    received = session.received()
    if choice.media is None:
        videos = [held for held in received.values() if held.track.kind == "video"]
        if not videos:
            raise Problem(409, "No video", "This session receives no video at present.")
        return videos[0]
    if choice.media >= len(session.mids):
        detail = f"The session description has {len(session.mids)} media sections, counted from 0."
        raise Problem(404, "Unknown media section", detail)
    subscription = received.get(choice.media)
    if subscription is None or subscription.track.kind != "video":
        raise Problem(409, "No video", "This media section carries no video at present.")
    return subscription
