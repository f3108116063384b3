"""A hearing from its first exhibit to its seal, as scenario 1 plays it and whoever needs a whole one."""

from __future__ import annotations

import asyncio

from made import make_png
from person import Person


async def hand_in_an_exhibit(plaintiff: Person, hearing: str) -> None:
    await plaintiff.goes_to_record(hearing)
    await plaintiff.presses("添加证据")
    await plaintiff.attaches(("借条.png", make_png()))
    await plaintiff.fills("证明目的", "证明借款成立")
    await plaintiff.presses("上传为草稿")
    await plaintiff.presses("提交", "借条")
    await plaintiff.sees("已提交")


async def begin(judge: Person, clerk: Person, plaintiff: Person, defendant: Person, hearing: str) -> None:
    """All come in from the lobby, and see each other."""
    for each in (judge, clerk, plaintiff, defendant):
        await each.goes(f"/hearings/{hearing}")
    await judge.enters()
    await clerk.enters()
    await judge.presses("主持")
    await judge.presses("宣布开庭")
    await asyncio.gather(plaintiff.enters(), defendant.enters())
    seen = (judge, plaintiff, defendant)
    await asyncio.gather(*(each.watches(*(other.name for other in seen if other is not each)) for each in seen))


async def hear(judge: Person, clerk: Person, plaintiff: Person, defendant: Person) -> None:
    """The exhibit is examined, what is said is typed, and the judge closes."""
    await judge.presses("举证质证")
    await plaintiff.presses("证据")
    await plaintiff.presses("出示", "借条")
    await defendant.presses("证据")
    await defendant.sees("已出示")
    await defendant.presses("借条")
    await defendant.checks("不认可", "真实性")
    await defendant.fills("补充意见", "不是本人签名")
    await defendant.presses("提交意见")
    await defendant.sees("意见已提交")
    await judge.presses("证据")
    await judge.presses("质证完毕", "借条")
    await judge.presses("采信", "借条")
    await plaintiff.sees("已采信")
    await clerk.presses("笔录")
    await defendant.presses("笔录")
    for speaker, text in ((plaintiff.name, "被告向我借款十万元。"), (defendant.name, "借款属实，尚未归还。")):
        await clerk.fills("发言人", speaker)
        await clerk.fills("笔录内容", text)
        await clerk.presses("记入笔录")
        await defendant.sees(text)
    await judge.presses("主持")
    await judge.presses("宣布闭庭")
    await judge.answers()
    await asyncio.gather(*(each.sees("庭审已结束") for each in (judge, clerk, plaintiff, defendant)))


async def sign(judge: Person, plaintiff: Person, defendant: Person, hearing: str) -> None:
    await judge.goes_to_record(hearing)
    await judge.presses("主持")
    await judge.presses("发起笔录签名")
    for each in (plaintiff, defendant):
        await each.goes_to_record(hearing)
        await each.sees("借款属实，尚未归还。")
        await each.presses("确认并签署笔录")
        await each.sees("收到的笔录与此哈希值一致")
        await each.presses("用姓名代替手写")
        await each.checks("我已阅看笔录")
        await each.presses("签名", "SHA-256")
        await each.sees("您已签名")


async def seals(judge: Person) -> None:
    """On the record's page."""
    await judge.presses("录制")
    await judge.presses("校验全部")
    await judge.sees("完好")
    await judge.misses("有问题")
    await judge.presses("封存")
    await judge.sees("已封存")
