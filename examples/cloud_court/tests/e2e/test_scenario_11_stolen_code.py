"""Scenario 11: a stolen code stays out, so does one that another account has; guessing ends; others' cases are 404."""

from __future__ import annotations

import datetime
import re
from typing import Any

import pytest

from person import Meet, Person

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(240)]

NUMBER = "100200300"
PHONES = {"plaintiff": "13800000011", "defendant": "13800000012"}
OUTSIDER = {"phone": "13800000099", "name": "钱七", "identity_number": "110105198001000774"}


async def reads_code(person: Person, phone: str) -> str:
    """The personal code in the newest message of a phone."""
    _, messages = await person.api("GET", f"api/standins/sms?phone={phone}")
    found = next(match for each in messages if (match := re.search(r"入庭码 (\w{8})", each["text"])))
    return found[1]


@pytest.mark.parametrize("browser", ["chromium", "firefox"])
async def test_scenario_11_a_code_is_one_persons_and_no_way_leads_into_anothers_case(meet: Meet, browser: str) -> None:
    clerk, plaintiff, thief = await meet("clerk"), await meet("plaintiff"), await meet("thief")
    await clerk.comes()
    path = f"api/hearings/{(await clerk.hearing())['id']}"
    assert (await clerk.api("POST", f"{path}/invitations"))[0] == 201
    codes = {role: await reads_code(clerk, phone) for role, phone in PHONES.items()}

    # without the identity check a stolen code opens a lobby, and nothing in it
    await thief.goes(f"/join/{NUMBER}/{codes['defendant']}")
    await thief.presses("进入")
    await thief.fills("姓名", "李四")
    await thief.fills("身份证号", "110105198001000045")
    await thief.presses("核验")
    await thief.sees("姓名与身份证号不一致")
    for part in ("transcript", "recordings", "seal"):
        assert (await thief.api("GET", f"{path}/{part}"))[0] == 404, part
    assert await thief.api("GET", f"{path}/exhibits") == (200, [])
    status, told = await thief.api("POST", f"{path}/join")
    assert (status, told["code"]) == (403, "identity.unchecked")
    assert (await thief.api("GET", "api/cases"))[0] == 404

    # a code that somebody's account has claimed is good for that account alone
    await plaintiff.comes()
    await plaintiff.goes(f"/join/{NUMBER}/{codes['plaintiff']}")
    await plaintiff.presses("进入")
    await plaintiff.asserts("the lobby", "!!document.querySelector('.stand')")
    other = await meet("another-thief")
    await other.goes(f"/join/{NUMBER}/{codes['plaintiff']}")
    await other.presses("进入")
    await other.sees("该入庭码属于其他账户")

    # guessing is limited, and then even the right one is not looked at
    tried = {"number": NUMBER, "code": "23456789"}
    answers = [(await other.api("POST", "api/login/hearing", tried))[1]["code"] for _ in range(25)]
    assert (answers[0], answers[-1]) == ("code.wrong", "attempts.too_many")
    right = {**tried, "code": codes["defendant"]}
    assert (await other.api("POST", "api/login/hearing", right))[0] == 429


async def registers(person: Person) -> None:
    await person.goes("/register")
    await person.fills("手机号", OUTSIDER["phone"])
    await person.presses("获取验证码")
    await person.sees("验证码已发送")
    _, messages = await person.api("GET", f"api/standins/sms?phone={OUTSIDER['phone']}")
    code = re.search(r"验证码 (\d{6})", messages[0]["text"])
    assert code is not None
    await person.fills("短信验证码", code[1])
    await person.fills("姓名", OUTSIDER["name"])
    await person.fills("身份证号", OUTSIDER["identity_number"])
    await person.fills("设置密码", "correct horse")
    await person.presses("注册并登录")
    await person.sees("注册成功")


def list_paths(document: dict[str, Any], ids: dict[str, str]) -> list[str]:
    """Every address that something of a case or a hearing is read at, with the ids of this one."""
    found = [path.lstrip("/") for path, ways in document["paths"].items() if "get" in ways and "{" in path]
    lacking = {name for path in found for name in re.findall(r"{(\w+)}", path)} - set(ids)
    assert not lacking, f"a new route has an id that this test does not know: {lacking}"
    return [path.format(**ids) for path in found]


async def test_scenario_11_whatever_is_read_of_a_case_is_not_found_by_others(meet: Meet) -> None:
    judge, plaintiff, clerk, outsider = [await meet(role) for role in ("judge", "plaintiff", "clerk", "outsider")]
    for person in (judge, clerk, plaintiff):
        await person.comes()
    hearing = await judge.hearing()
    path = f"api/hearings/{hearing['id']}"
    await plaintiff.goes_to_record(part="证据")
    await plaintiff.presses("添加证据")
    await plaintiff.attaches(("收据.txt", "今收到货款".encode()))
    await plaintiff.presses("上传为草稿")
    await plaintiff.presses("提交")
    await plaintiff.sees("已提交")
    for act in ("open", "close"):
        assert (await judge.api("POST", f"{path}/acts", {"act": act}))[0] == 200
    assert (await judge.api("POST", f"{path}/transcript/freeze"))[0] == 200
    _, exhibits = await judge.api("GET", f"{path}/exhibits")
    case_id = hearing["case_id"]
    await plaintiff.goes(f"/cases/{case_id}")
    await plaintiff.sees("提交材料")
    await plaintiff.attaches(("代理词.txt", "如诉讼请求".encode()))
    await plaintiff.presses("提交（1）")
    await plaintiff.sees("回执号")
    _, page = await plaintiff.api("GET", f"api/cases/{case_id}")
    other_side = {"name": "王五", "phone": "13800000097", "identity_number": OUTSIDER["identity_number"]}
    filing = {"title": "张三诉王五", "cause": "合同纠纷", "claim": "返还货款", "defendant": other_side}
    status, begun = await plaintiff.api("POST", "api/filings", filing)
    assert status == 201, begun
    _, recordings = await judge.api("GET", f"{path}/recordings")
    _, playback = await judge.api("POST", f"{path}/recordings/{recordings[0]['id']}/playback")
    ids = {
        "hearing_id": hearing["id"],
        "case_id": case_id,
        "material_id": page["materials"][0]["id"],
        "filing_id": begun["id"],
        "upload_id": "0" * 22,  # of no document: the filing itself is not found
        "exhibit_id": exhibits[0]["id"],
        "index": "1",
        "number": "1",
        "recording_id": recordings[0]["id"],
        "key": playback["key"],
    }

    # the outsider has an account, a case and a hearing of her own
    await registers(outsider)
    _, me = await judge.api("GET", "api/me")
    other = {"side": "defendant", **OUTSIDER, "phone": "13800000098", "name": "孙八"}
    parties = [{"side": "plaintiff", **OUTSIDER}, other]
    new = {
        "number": "(2026)京0491民初77号",
        "title": "钱七诉他人",
        "cause": "合同纠纷",
        "judge_id": me["account"]["id"],
    }
    status, case = await clerk.api("POST", "api/cases", {**new, "parties": parties})
    assert status == 201, case
    start = (datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1)).isoformat()
    await clerk.api("POST", "api/hearings", {"case_id": case["id"], "title": "钱七庭审", "start": start})
    _, document = await outsider.api("GET", "api/openapi.json")
    paths = list_paths(document, ids)
    own_hearings = (await outsider.api("GET", "api/hearings"))[1]["items"]
    assert hearing["id"] not in [each["id"] for each in own_hearings]
    seen = {each: (await judge.api("GET", each))[0] for each in paths}
    assert sum(status == 200 for status in seen.values()) >= 12, seen
    open_to_her = {each: status for each in paths if (status := (await outsider.api("GET", each))[0]) != 404}
    assert open_to_her == {}
