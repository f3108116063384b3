"""Beyond the source: the self-test in steps with its score; pages that say what to do."""

from __future__ import annotations

import pytest

from person import Meet
from tests.interop.seeing import until

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(240)]
BLOCK_DEVICES = """
{
  const use = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = async (wanted) => {
    if (!window.unblocked) throw new DOMException("Permission denied", "NotAllowedError");
    return use(wanted);
  };
}
"""
UNSUPPORTED = "delete window.RTCPeerConnection;"


async def test_beyond_09_a_self_test_in_steps_and_the_officer_sees_its_score(meet: Meet) -> None:
    officer, plaintiff = await meet("technician"), await meet("plaintiff")
    await plaintiff.comes()
    await plaintiff.goes_to_hearing()
    await plaintiff.presses("打开摄像头")
    shown = "document.querySelector('.picture video')?.videoWidth ?? 0"
    await until("her own picture", lambda: plaintiff.page.evaluate(shown), plaintiff.page)
    await plaintiff.presses("看得清楚")
    await plaintiff.presses("开始说话")
    await plaintiff.presses("播放")
    await plaintiff.presses("听到了")
    await plaintiff.presses("测量")
    await plaintiff.sees("设备可以参加庭审")
    steps = await plaintiff.page.evaluate(
        "[...document.querySelectorAll('.steps li b')].map((each) => Number(each.innerText))"
    )
    assert len(steps) == 4 and steps[:3] == [25, 25, 25]
    await plaintiff.sees(f"得分 {sum(steps)} / 100")
    await officer.comes()
    await officer.goes("/board")
    row = "[...document.querySelectorAll('tr')].find((each) => each.innerText.includes('张三'))?.innerText ?? ''"

    async def has_score() -> bool:
        return str(sum(steps)) in str(await officer.page.evaluate(row)).split()

    await until("the officer sees the score", has_score, officer.page)


async def test_beyond_09_blocked_devices_in_the_room_say_what_to_do_until_they_work(meet: Meet) -> None:
    judge = await meet("judge")
    await judge.page.driven.add_init_script(BLOCK_DEVICES)
    await judge.attends()
    await judge.sees("浏览器未获准使用摄像头或麦克风")
    await judge.sees("将摄像头和麦克风改为「允许」")
    await judge.page.evaluate("void (window.unblocked = true)")
    await judge.presses("重试")
    await judge.misses("浏览器未获准使用摄像头或麦克风")
    await judge.watches("王法官")


async def test_beyond_09_an_unsupported_browser_gets_a_page_that_says_what_to_do(meet: Meet) -> None:
    plaintiff = await meet("plaintiff")
    await plaintiff.page.driven.add_init_script(UNSUPPORTED)
    await plaintiff.comes()
    await plaintiff.goes(f"/hearings/{(await plaintiff.hearing())['id']}")
    await plaintiff.sees("此浏览器不支持视频庭审")
    await plaintiff.sees("请用最新版 Chrome、Edge、Firefox 或 Safari")
    await plaintiff.goes("/self-test")
    await plaintiff.sees("此浏览器不支持视频庭审")
