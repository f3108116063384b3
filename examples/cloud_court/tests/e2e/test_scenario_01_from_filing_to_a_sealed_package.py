"""Scenario 1: filed, accepted, agreed to, invited, opened, examined, closed, signed, sealed, checked: in one run."""

from __future__ import annotations

import asyncio
import re
import subprocess
import zipfile
from pathlib import Path

import pytest

from court_process import CourtProcess
from made import PDF, make_png
from person import Meet, Person
from sfu.recording import Outcome, load_public_key, verify_record
from whole_hearing import begin, hand_in_an_exhibit, hear, seals, sign

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(600)]

PHONE, OTHER_PHONE = "13900000021", "13900000022"
"""The defendant's, as the plaintiff knows it, and the one that he registers with."""
IDENTITY = "110105198001000213"
NUMBER = "(2026)京0491民初88号"
TITLE = "张三诉钱五民间借贷纠纷"


async def test_scenario_01_a_case_goes_from_its_filing_to_a_sealed_package_that_openssl_checks(
    meet: Meet, court: CourtProcess, tmp_path: Path
) -> None:
    judge, clerk, phone = await meet("judge"), await meet("clerk"), await meet("phone")
    plaintiff, defendant = await meet("plaintiff"), await meet("defendant")
    defendant.name = "钱五"
    await asyncio.gather(judge.comes(), clerk.comes(), plaintiff.comes())
    await files_and_is_accepted(plaintiff, clerk)
    await registers_and_binds(defendant, phone)
    await writes_to_the_judge(plaintiff, judge)
    hearing = await is_scheduled(clerk)
    await agree(clerk, defendant, hearing)
    await come_to_the_lobby(clerk, plaintiff, defendant, phone, hearing)
    await hand_in_an_exhibit(plaintiff, hearing)
    await begin(judge, clerk, plaintiff, defendant, hearing)
    await hear(judge, clerk, plaintiff, defendant)
    await sign(judge, plaintiff, defendant, hearing)
    await packs(judge, clerk, hearing, tmp_path)


async def files_and_is_accepted(plaintiff: Person, clerk: Person) -> None:
    await plaintiff.goes("/filings")
    await plaintiff.presses("新的立案申请")
    for label, value in (("案件标题", TITLE), ("案由", "民间借贷纠纷"), ("诉讼请求", "请求返还借款十万元")):
        await plaintiff.fills(label, value)
    for label, value in (("被告姓名", "钱五"), ("手机号", PHONE), ("身份证号", IDENTITY)):
        await plaintiff.fills(label, value)
    await plaintiff.attaches(("起诉状.pdf", PDF))
    await plaintiff.presses("提交立案")
    await plaintiff.sees("待审查")
    await clerk.goes("/filings")
    await clerk.sees("起诉状.pdf")
    await clerk.fills("理由", "请写明借款日期")
    await clerk.presses("退回补正")
    await plaintiff.sees("请写明借款日期")
    await plaintiff.presses("补正")
    await plaintiff.fills("诉讼请求", "请求返还2025年3月1日所借十万元")
    await plaintiff.presses("提交立案")
    await clerk.sees("2025年3月1日")
    await clerk.fills("案号", NUMBER)
    await clerk.fills("法官", "王法官")
    await clerk.presses("立案", "2025年3月1日")
    await plaintiff.sees("已立案")
    await plaintiff.presses("查看案件")
    await plaintiff.sees("承办法官：王法官")
    await plaintiff.sees("起诉状")


async def registers_and_binds(defendant: Person, phone: Person) -> None:
    """He has another phone by now: so he is bound by the password that the court has sent to the one it knows."""
    await defendant.goes("/register")
    await defendant.fills("手机号", OTHER_PHONE)
    await defendant.presses("获取验证码")
    await phone.goes(f"/standins?phone={OTHER_PHONE}")
    await defendant.fills("短信验证码", await phone.reads(r"验证码 (\d{6})"))
    for label, value in (("姓名", "钱五"), ("身份证号", IDENTITY), ("设置密码", "a long password")):
        await defendant.fills(label, value)
    await defendant.presses("注册并登录")
    await defendant.sees("没有案件")
    await phone.fills("手机号", PHONE)
    password = await phone.reads(r"案件密码 (\w{8})")
    await defendant.fills("案号", NUMBER)
    await defendant.fills("案件密码", password)
    await defendant.presses("绑定案件")
    await defendant.sees("已绑定")
    await defendant.presses(TITLE)
    await defendant.sees("您是被告")


async def writes_to_the_judge(plaintiff: Person, judge: Person) -> None:
    await plaintiff.fills("给法官留言", "请问何时开庭？")
    await plaintiff.presses("发送")
    await plaintiff.sees("已送达")
    await judge.goes("/cases")
    await judge.presses(TITLE)
    await judge.sees("请问何时开庭？")
    await plaintiff.sees("已读")
    await judge.fills("答复", "今日开庭。")
    await judge.presses("发送")
    await plaintiff.sees("今日开庭。")


async def is_scheduled(clerk: Person) -> str:
    await clerk.goes("/cases")
    await clerk.presses(TITLE)
    await clerk.presses("安排开庭")
    await clerk.fills("名称", "借贷案开庭")
    await clerk.presses("安排开庭", "开庭时间")
    await clerk.presses("借贷案开庭")
    return await clerk.reads_address(r"/hearings/(\w+)")


async def agree(clerk: Person, defendant: Person, hearing: str) -> None:
    """No code is issued before both sides have agreed: one on the phone, the other on his own page."""
    await clerk.goes_to_record(hearing)
    await clerk.presses("发送邀请短信")
    await clerk.sees("尚未同意在线庭审")
    await clerk.fills("当事人", "张三")
    await clerk.fills("备注", "电话征求意见，同意")
    await clerk.presses("登记意见")
    await clerk.sees("张三 · 已同意")
    await defendant.goes_to_record(hearing)
    await defendant.presses("在线庭审意见")
    await defendant.presses("同意", "开庭")
    await defendant.sees("平台")
    await clerk.sees("钱五 · 已同意")
    await defendant.presses("撤回同意", "开庭")
    await defendant.answers()
    await clerk.sees("钱五 · 未同意")
    await defendant.presses("同意", "开庭")
    await clerk.sees("钱五 · 已同意")
    await clerk.presses("发送邀请短信")
    await clerk.sees("已发码")


async def come_to_the_lobby(clerk: Person, plaintiff: Person, defendant: Person, phone: Person, hearing: str) -> None:
    address = await phone.reads(r"打开 (http\S+)")
    number, code = address.split("/")[-2:]
    await defendant.goes(f"/join/{number}/{code}")
    await defendant.presses("进入", "入庭码")
    await defendant.sees("借贷案开庭")
    await defendant.gets_ready(IDENTITY)
    await clerk.sees("已使用")
    await plaintiff.goes("/hearings")
    await plaintiff.presses("准备与等候", "借贷案开庭")
    await plaintiff.gets_ready()


async def packs(judge: Person, clerk: Person, hearing: str, folder: Path) -> None:
    await seals(judge)
    await clerk.goes_to_record(hearing)
    await clerk.presses("录制")
    package, key = await clerk.downloads("下载卷宗包"), await clerk.downloads("法院公钥")
    await judge.presses("校验全部")
    await judge.sees("卷宗包")
    await judge.misses("有问题")
    await asyncio.to_thread(check_package, package, key, folder / "package")


def check_package(package: Path, key: Path, folder: Path) -> None:
    """As the package's own page says, by its own commands."""
    with zipfile.ZipFile(package) as archive:
        archive.extractall(folder)
    page = (folder / "CHECKING.md").read_text()
    manifest, sums, signature, digest, line = (each.strip() for each in re.findall(r"^ {7}(.+)$", page, re.M))
    (folder / "court.pem").write_bytes(key.read_bytes())

    def run(command: str, place: Path = folder) -> str:
        done = subprocess.run(command, shell=True, check=False, cwd=place, capture_output=True, text=True)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    run(manifest)
    run(sums)
    signed = folder / "transcript" / "signatures"
    statements = sorted(signed.glob("*.statement"))
    assert len(statements) == 2
    for each in statements:
        run(signature.replace("ID", each.stem), signed)
        found = run(digest.partition("#")[0].replace("revision-N", "revision-1"), signed).split()[0]
        assert each.read_text().splitlines()[-1] == found
    assert (folder / "transcript" / "transcript.pdf").read_bytes().startswith(b"%PDF-")
    lines = (folder / "audit.jsonl").read_text().splitlines()
    for number in range(1, len(lines)):
        head = run(line.partition("#")[0].replace("1p", f"{number}p")).split()[0]
        assert f'"prev":"{head}"' in lines[number]
    (record,) = (folder / "records").iterdir()
    assert verify_record(record, load_public_key(key)).outcome is Outcome.INTACT
    (exhibit,) = (folder / "exhibits" / "1").iterdir()
    assert exhibit.read_bytes() == make_png()
