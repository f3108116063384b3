"""Makes the sample in `tests/data` anew: `python -m tests.interop.sample_record FOLDER`.

Two peers of a Chromium publish; there are a mark, two phases, and a pause. The key is thrown away, its public half
stands beside the record.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from pathlib import Path

import httpx

from sfu import SigningKey
from tests.interop.browsers import Chromium
from tests.interop.node_process import NodeProcess

SCRIPTS = [Path(__file__).with_name(name).read_text() for name in ("whip.js", "flashing.js")]
PEERS = {"judge": "VP8", "claimant": "VP9"}


async def make(folder: Path) -> None:
    """Record, and put the record at `folder`."""
    key = SigningKey.generate()
    with tempfile.TemporaryDirectory() as directory:
        records, secret = Path(directory, "records"), Path(directory, "key.pem")
        records.mkdir()
        secret.touch(0o600)
        secret.write_bytes(key.private_pem)
        variables = {"SFU_RECORD_DIR": str(records), "SFU_RECORD_KEY": str(secret)}
        async with NodeProcess(variables=variables) as node, Chromium() as browser:
            await _hold_hearing(node, browser)
        (made,) = records.iterdir()
        shutil.copytree(made, folder)
    folder.with_name(f"{folder.name}.pub.pem").write_bytes(key.public.pem)


async def _hold_hearing(node: NodeProcess, browser: Chromium) -> None:
    room = f"{node.url}/rooms/court-7"
    token = node.token("court-7", record=True)
    page = await browser.open()
    await page.goto(f"{node.url}/")
    for script in SCRIPTS:
        await page.evaluate(script)
    await page.evaluate("flashing.start()")
    for peer, codec in PEERS.items():
        await page.evaluate(f"flashing.publish('{room}/whip?peer={peer}', '{token}', '{codec}')")
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {token}"}) as http:

        async def say(what: str, body: dict[str, object]) -> None:
            (await http.post(f"{room}/recording{what}", json=body)).raise_for_status()

        await say("", {"metadata": {"case": "7 C 12/26"}})
        await say("/phase", {"name": "statement"})
        await asyncio.sleep(3.0)
        await say("/marks", {"name": "exhibit", "data": {"number": 1}})
        await asyncio.sleep(1.0)
        await say("/pause", {"ground": "recess", "authoriser": "presiding judge", "note": ""})
        await asyncio.sleep(2.0)
        await say("/resume", {"authoriser": "presiding judge"})
        await say("/phase", {"name": "closing"})
        await asyncio.sleep(3.0)
        (await http.delete(f"{room}/recording")).raise_for_status()
    await page.close()


if __name__ == "__main__":
    asyncio.run(make(Path(sys.argv[1])))
