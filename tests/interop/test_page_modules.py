"""The meeting page's own decisions, module by module, in the browsers that run them."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator

import pytest

from tests.interop.conftest import OpenPage
from tests.interop.page_site import call, serve_page

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

both = pytest.mark.parametrize("browser", ["chromium", "firefox"])


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    """The page's files on 127.0.0.1, without a node behind them."""
    with serve_page() as address:
        yield address


def encode_token(**claims: object) -> str:
    """A token as the page reads it; nobody verifies it here."""
    parts = ({"alg": "HS256"}, claims)
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts]
    return ".".join([*encoded, "unsigned"])


@both
async def test_tiles_fit_and_are_as_large_as_can_be(open_page: OpenPage, site: str, browser: str) -> None:
    frames = [(1248, 668), (374, 724), (304, 452), (2528, 1318), (3800, 2040), (820, 330)]
    asked = [(count, width, height) for width, height in frames for count in range(1, 50)]
    arranged = await call(
        open_page, browser, site, "grid.js", f"{json.dumps(asked)}.map(([n, w, h]) => m.arrange(n, w, h, 8))"
    )
    for (count, width, height), got in zip(asked, arranged, strict=True):
        columns, rows, tile_width, tile_height = (got[key] for key in ("columns", "rows", "tileWidth", "tileHeight"))
        assert columns * rows >= count > columns * (rows - 1)
        assert 0 < columns * tile_width + (columns - 1) * 8 <= width
        assert 0 < rows * tile_height + (rows - 1) * 8 <= height
        assert tile_width / tile_height < 1.8
    best = {
        (count, width): (got["columns"], got["rows"]) for (count, width, _), got in zip(asked, arranged, strict=True)
    }
    assert best[2, 1248] == (2, 1)
    assert best[3, 1248] == (2, 2)
    assert best[9, 1248] == (3, 3)
    assert best[2, 374] == (1, 2)
    assert best[5, 374] == (2, 3)


@both
async def test_events_survive_any_cut(open_page: OpenPage, site: str, browser: str) -> None:
    stream = ': hello\r\n\r\nevent: joined\r\ndata: {"peer":\r\ndata:  "é"}\r\n\r\ndata\n\nid: 7\nevent: x\n\n'
    cuts = f"""[...Array({len(stream)}).keys()].map(at => {{
        const parser = new m.EventParser();
        const text = {json.dumps(stream)};
        return [...parser.feed(text.slice(0, at)), ...parser.feed(text.slice(at))];
    }})"""
    expected = [{"event": "joined", "data": '{"peer":\n "é"}'}, {"event": "message", "data": ""}]
    for got in await call(open_page, browser, site, "events.js", cuts):
        assert got == expected


@both
async def test_a_line_without_end_is_refused(open_page: OpenPage, site: str, browser: str) -> None:
    endless = """(() => {
        const parser = new m.EventParser();
        try { for (let i = 0; i < 64; i += 1) parser.feed("x".repeat(65536)); } catch (error) { return error.name; }
    })()"""
    assert await call(open_page, browser, site, "events.js", endless) == "Problem"


@both
async def test_ice_servers_come_from_link_headers(open_page: OpenPage, site: str, browser: str) -> None:
    header = (
        '<stun:stun.example.net>; rel="ice-server", <https://example.net/a,b>; rel="help", '
        '<turn:turn.example.net?transport=udp>; rel="ice-server"; username="a;b,c"; credential="d e"; '
        'credential-type="password"'
    )
    asked = f"[m.iceServers({json.dumps(header)}), m.iceServers(null), m.iceServers('garbage;<')]"
    given, none, garbage = await call(open_page, browser, site, "session.js", asked)
    assert given == [
        {"urls": "stun:stun.example.net"},
        {"urls": "turn:turn.example.net?transport=udp", "username": "a;b,c", "credential": "d e"},
    ]
    assert none == garbage == []


@both
async def test_invitations_are_read_from_the_fragment(open_page: OpenPage, site: str, browser: str) -> None:
    open_token = encode_token(room="lobby", publish=True, subscribe=True)
    personal = encode_token(room="*", sub="zoë", subscribe=True)
    fragments = [
        f"#room=lobby&token={open_token}&name=%20al%7Eice%E2%80%AE%20&auto=1",
        f"#token={open_token}",
        f"#room=den&token={personal}",
        f"#token={personal}",
        "#room=lobby",
        "#room=lobby&token=opaque",
        "",
    ]
    whole, short, own, roomless, tokenless, opaque, empty = await call(
        open_page, browser, site, "invitation.js", f"{json.dumps(fragments)}.map(m.readInvitation)"
    )
    assert whole["room"] == "lobby"
    assert whole["name"] == "alice"
    assert whole["auto"]
    assert whole["publish"]
    assert short["room"] == "lobby"
    assert not short["auto"]
    assert own["peer"] == "zoë"
    assert own["subscribe"]
    assert not own["publish"]
    assert roomless is None
    assert tokenless is None
    assert empty is None
    assert opaque["publish"]
    assert opaque["subscribe"]


@both
async def test_back_off_doubles_up_to_its_bound(open_page: OpenPage, site: str, browser: str) -> None:
    asked = """(() => {
        const back = new m.Backoff({ first: 100, most: 1000, random: () => 1 });
        const waits = [...Array(40)].map(() => back.next());
        back.reset();
        return { waits, again: back.next(), told: back.next(5000) };
    })()"""
    got = await call(open_page, browser, site, "backoff.js", asked)
    assert got["waits"][:5] == [100, 200, 400, 800, 1000]
    assert set(got["waits"][5:]) == {1000}
    assert got["again"] == 100
    assert got["told"] == 5000


@both
async def test_a_snapshot_replaces_what_was_known(open_page: OpenPage, site: str, browser: str) -> None:
    asked = """(() => {
        const told = [];
        const roster = new m.Roster(({ peer, kind, first }) => told.push([peer, kind, first]));
        roster.handle("joined", { peer: "ann" });
        roster.handle("published", { peer: "ann", track: { id: 1, kind: "audio" } });
        roster.handle("left", { peer: "nobody" });
        roster.handle("ended", { peer: "nobody", track: { id: 1 } });
        roster.handle("snapshot", { peers: [{ name: "bob", tracks: [{ id: 2, kind: "video" }] }] });
        return { told, names: roster.names, tracks: roster.tracks("bob") };
    })()"""
    got = await call(open_page, browser, site, "roster.js", asked)
    assert got["told"] == [
        ["ann", "joined", False],
        ["ann", "tracks", False],
        ["ann", "left", True],
        ["bob", "joined", True],
        ["bob", "tracks", True],
    ]
    assert got["names"] == ["bob"]
    assert got["tracks"] == [{"id": 2, "kind": "video"}]


@both
async def test_without_an_invitation_the_page_asks_for_one(open_page: OpenPage, site: str, browser: str) -> None:
    page = await open_page(browser)
    await page.goto(f"{site}/")
    assert await page.evaluate("document.body.dataset.view") == "invite"
    await page.evaluate("(() => { document.querySelector('#invite-link').value = 'https://example.net/'; })()")
    await page.evaluate("document.querySelector('#invite-form').requestSubmit()")
    assert "no invitation" in await page.evaluate("document.querySelector('#invite-error').textContent")


@both
async def test_nothing_inline_may_run(open_page: OpenPage, site: str, browser: str) -> None:
    page = await open_page(browser)
    await page.goto(f"{site}/")
    ran = """(() => {
        const script = document.createElement("script");
        script.textContent = "window.inline = true";
        document.head.append(script);
        return window.inline === true;
    })()"""
    assert await page.evaluate(ran) is False
