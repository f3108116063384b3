"""How the page watches: one session, in which the node offers whatever is published. The node is played by the page."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.interop.conftest import OpenPage
from tests.interop.faked_page import both
from tests.interop.page_site import call, serve_page

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    """The page's files on 127.0.0.1, without a node behind them."""
    with serve_page() as address:
        yield address


# Plays the node: `node.publish(kind)` adds a section to the next offer, `node.statuses` has the answers to requests for
# one in a row (200 unless it is said), `node.asked` what was asked.
NODE = """
const until = async (look) => {
    for (let left = 500; left > 0; left -= 1, await new Promise((resolve) => setTimeout(resolve, 20))) {
        if (look()) return;
    }
    throw new Error(`never: ${look}`);
};
const node = {
    asked: [], statuses: [], changed: true, change: (sdp) => sdp, pc: new RTCPeerConnection(),
    publish(kind) {
        node.changed = true;
        return node.pc.addTransceiver(kind, { direction: "sendonly", streams: [new MediaStream()] });
    },
    async offer(status) {
        node.changed = false;
        if (node.pc.signalingState !== "stable") await node.pc.setLocalDescription({ type: "rollback" });
        await node.pc.setLocalDescription();
        return new Response(node.change(node.pc.localDescription.sdp), { status, headers: { Location: "/session" } });
    },
    async answer(sdp) {
        await node.pc.setRemoteDescription({ type: "answer", sdp });
        return new Response(null, { status: 204 });
    },
};
window.fetch = async (input, { method, body }) => {
    const { pathname } = new URL(input, location.href);
    node.asked.push(`${method} ${pathname}`);
    if (pathname === "/whep") return node.offer(201);
    if (method === "PATCH") return node.answer(body);
    if (method === "DELETE") return new Response(null);
    const status = node.statuses.shift() ?? (node.changed ? 200 : 204);
    if (status === 200) return node.offer(200);
    return new Response(status === 204 ? null : "", { status });
};
const errors = [];
const changes = [];
const watch = new m.Watch({
    url: new URL("/whep", location.href), token: "t", onState: () => {},
    onChange: () => changes.push(watch.media.map(({ at, receiver }) => [at, receiver?.track.kind ?? null])),
    onError: (error) => errors.push(String(error)),
});
"""


async def play(open_page: OpenPage, browser: str, site: str, script: str) -> object:
    """What `script` returns, in which `watch` watches `node`."""
    return await call(open_page, browser, site, "whep.js", f"(async () => {{ {NODE}\n{script} }})()")


@both
async def test_one_session_receives_what_is_published_later(open_page: OpenPage, site: str, browser: str) -> None:
    script = """
        node.publish("audio");
        watch.follow();
        await until(() => node.asked.length === 3);
        node.publish("video");
        node.publish("audio");
        watch.follow();
        watch.follow();  // while the first one is on its way
        await until(() => changes.length === 2 && node.asked.at(-1) === "POST /session/offer");
        const tracks = watch.media.map(({ track }) => track);
        watch.close();
        const named = tracks.every((track) => node.pc.localDescription.sdp.includes(` ${track}\\r\\n`));
        return { asked: node.asked, changes, errors, named };
    """
    follow = "POST /session/offer"
    answer = "PATCH /session"
    assert await play(open_page, browser, site, script) == {
        "asked": ["POST /whep", answer, follow, follow, answer, follow, "DELETE /session"],
        "changes": [[[0, "audio"]], [[0, "audio"], [1, "video"], [2, "audio"]]],
        "errors": [],
        "named": True,
    }


@both
async def test_what_has_ended_is_received_no_more(open_page: OpenPage, site: str, browser: str) -> None:
    script = """
        const [first] = [node.publish("video"), node.publish("audio")];
        watch.follow();
        await until(() => node.asked.length === 3);
        first.direction = "inactive";
        node.changed = true;
        watch.follow();
        await until(() => changes.length === 2);
        watch.close();
        return changes;
    """
    assert await play(open_page, browser, site, script) == [[[0, "video"], [1, "audio"]], [[1, "audio"]]]


@both
async def test_a_busy_node_is_asked_again_and_media_go_on(open_page: OpenPage, site: str, browser: str) -> None:
    script = """
        node.publish("audio");
        watch.follow();
        await until(() => node.asked.length === 3);
        const { session } = watch.link;
        node.publish("audio");
        node.statuses = [503];
        watch.follow();
        await until(() => changes.length === 2);
        const same = session === watch.link.session;
        watch.close();
        return { same, again: node.asked.filter((line) => line === "POST /whep").length };
    """
    assert await play(open_page, browser, site, script) == {"same": True, "again": 1}


@both
async def test_a_session_that_the_node_has_forgotten_begins_anew(open_page: OpenPage, site: str, browser: str) -> None:
    script = """
        node.publish("audio");
        watch.follow();
        await until(() => node.asked.length === 3);
        const { session } = watch.link;
        node.pc = new RTCPeerConnection();
        node.publish("video");
        node.statuses = [404];
        watch.follow();
        await until(() => changes.length === 2);
        const other = session !== watch.link.session;
        watch.close();
        return { other, changes };
    """
    assert await play(open_page, browser, site, script) == {
        "other": True,
        "changes": [[[0, "audio"]], [[0, "video"]]],
    }


@both
async def test_who_has_no_decoder_for_the_picture_still_listens(open_page: OpenPage, site: str, browser: str) -> None:
    script = """
        node.change = (sdp) => sdp.replace(/^a=rtpmap:(\\d+) (VP8|VP9|H264|AV1|H265)/gm, "a=rtpmap:$1 NEXT9");
        node.publish("audio");
        node.publish("video");
        watch.follow();
        await until(() => changes.length === 1);
        watch.close();
        return changes;
    """
    assert await play(open_page, browser, site, script) == [[[0, "audio"], [1, None]]]


@both
async def test_where_nobody_is_left_the_page_waits_for_somebody(open_page: OpenPage, site: str, browser: str) -> None:
    script = """
        const { offer } = node;
        node.offer = async () => new Response("v=0\\r\\n", { status: 201, headers: { Location: "/session" } });
        watch.follow();
        await until(() => errors.length === 1);
        const { state, busy } = watch.link;
        node.offer = offer;
        node.publish("audio");
        watch.follow();
        await until(() => changes.length === 1);
        watch.close();
        return { state, busy, errors, changes };
    """
    assert await play(open_page, browser, site, script) == {
        "state": "failed",
        "busy": False,
        "errors": ["Problem: Nobody is to be seen or heard here any more"],
        "changes": [[[0, "audio"]]],
    }
