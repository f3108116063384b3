"""Beyond the source: two who are kept apart are on no list of each other, and in no consultation together."""

from __future__ import annotations

import json

import pytest

from person import Meet, Person
from tests.interop.seeing import until

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(240)]
WIRETAP = """
window.received = [];
{
  const decoder = new TextDecoder();
  const socket = window.WebSocket;
  window.WebSocket = class extends socket {
    constructor(...given) {
      super(...given);
      this.addEventListener("message", async ({ data }) => {
        const bytes = data instanceof Blob ? await data.arrayBuffer() : data;
        window.received.push(typeof bytes === "string" ? bytes : decoder.decode(bytes));
      });
    }
  };
  const fetched = window.fetch;
  window.fetch = async (...given) => {
    const answer = await fetched(...given);
    if (answer.url.endsWith("/api/demo")) return answer;
    answer.clone().text().then((text) => window.received.push(text), () => undefined);
    return answer;
  };
}
"""
"""Keeps all that the page is told: by the court's API, its news, and the media's signalling; but for the list of whom
one may play in a demonstration."""
VOICES = "[...document.querySelectorAll('body > audio')].filter((each) => each.srcObject?.active).length"


async def was_told(person: Person, *words: str) -> list[str]:
    """What has come to her page in any way, or stands on it, that has one of these words."""
    told: list[str] = await person.page.evaluate("[...window.received, document.body.innerText]")
    return [each[max(0, at - 300) : at + 30] for each in told for word in words if (at := each.find(word)) >= 0]


async def screens(host: Person, protected: str, other: str) -> None:
    await host.presses("邀请")
    await host.presses("隔离人员")
    people = (await host.api("GET", f"api/hearings/{(await host.hearing())['id']}/people"))[1]
    ids = {each["name"]: each["id"] for each in people}
    await host.fills("受保护人", ids[protected])
    await host.fills("被隔离人", ids[other])
    await host.presses("隔离人员", "被隔离的两人不会出现")
    await host.sees("已设置隔离")


async def id_of(person: Person) -> str:
    hearing = await person.hearing()
    return str((await person.api("GET", f"api/hearings/{hearing['id']}"))[1]["me"]["id"])


async def test_beyond_03_a_protected_witness_and_a_party_are_on_no_list_of_each_other(meet: Meet) -> None:
    judge, defendant, witness = await meet("judge"), await meet("defendant"), await meet("witness")
    await judge.attends()
    await screens(judge, "周证人", "李四")
    for each in (defendant, witness):
        await each.page.driven.add_init_script(WIRETAP)
        await each.stands_ready()
    ids = {each: await id_of(each) for each in (defendant, witness)}
    path = f"api/hearings/{(await judge.hearing())['id']}"
    people = (await judge.api("GET", f"{path}/people"))[1]
    interpreter = next(each["id"] for each in people if each["role"] == "interpreter")
    for one, other in ((defendant, witness), (witness, defendant)):
        for asked in (ids[other], interpreter):  # the interpreter comes with the witness only
            status = (await one.api("POST", f"{path}/consultations", {"persons": [asked]}))[0]
            assert status == (201 if (one, asked) == (witness, interpreter) else 403), (one.role, asked)
    await judge.presses("主持")
    await judge.presses("宣布开庭")
    await defendant.enters()
    await judge.presses("人员")
    await judge.presses("传唤到庭", "周证人")
    await witness.enters()
    await judge.watches("李四", "周证人")
    await defendant.watches("王法官")
    await witness.watches("王法官")
    for each in (defendant, witness):
        await each.presses("人员")
        await each.sees("在庭")
    await judge.presses("突出显示", "周证人")
    await judge.sees("取消突出")

    async def hear_each_other() -> bool:
        counts = [await each.page.evaluate(VOICES) for each in (defendant, witness)]
        return counts == [2, 2]  # the judge, and the one without a name

    await until("they hear each other", hear_each_other, defendant.page, witness.page)
    assert await was_told(defendant, "周证人") == []
    assert await was_told(witness, "李四", ids[defendant]) == []
    assert await was_told(defendant, "王法官") and await was_told(witness, "王法官"), "the wiretap works"


async def test_beyond_03_two_who_are_in_the_room_lose_sight_of_each_other(meet: Meet) -> None:
    judge, plaintiff, defendant = await meet("judge"), await meet("plaintiff"), await meet("defendant")
    await judge.attends()
    await judge.presses("主持")
    await judge.presses("宣布开庭")
    await plaintiff.attends()
    await defendant.attends()
    await plaintiff.watches("李四", "王法官")
    await defendant.watches("张三", "王法官")
    await screens(judge, "张三", "李四")
    await plaintiff.presses("人员")
    await defendant.presses("人员")
    await plaintiff.misses("李四")
    await defendant.misses("张三")
    await plaintiff.watches("王法官")
    await defendant.watches("王法官")
    await judge.watches("张三", "李四")
    for each, hidden in ((plaintiff, "李四"), (defendant, "张三")):
        people = await each.api("GET", f"api/hearings/{(await each.hearing())['id']}/people")
        assert hidden not in json.dumps(people, ensure_ascii=False)
