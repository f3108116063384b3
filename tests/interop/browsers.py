"""Chromium and Firefox behind one small door: open a page, evaluate in it, look at it."""

from __future__ import annotations

import abc
import asyncio
import base64
import contextlib
import os
import re
import shutil
import signal
import tempfile
from collections import deque
from pathlib import Path
from typing import Any, Self

from playwright.async_api import Browser as PlaywrightBrowser
from playwright.async_api import BrowserContext, ConsoleMessage, Playwright, async_playwright
from playwright.async_api import Page as PlaywrightPage

from tests.interop.bidi import LOG_LINES, BidiSession

START_TIMEOUT = 60.0

CHROMIUM_FLAGS = (
    "--no-sandbox",
    "--use-fake-ui-for-media-stream",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
)

FIREFOX_PREFERENCES = {
    # A moving picture and a steady tone in place of camera and microphone, without asking.
    "media.navigator.streams.fake": "true",
    "media.navigator.permission.disabled": "true",
    "media.autoplay.default": "0",
    # Without a sound card its audio would stand still, even what only an AnalyserNode hears.
    "media.cubeb.force_mock_context": "true",
    # Nothing of its own goes out or comes up.
    "app.normandy.enabled": "false",
    "app.update.disabledForTesting": "true",
    "browser.aboutwelcome.enabled": "false",
    "browser.shell.checkDefaultBrowser": "false",
    "browser.startup.homepage_override.mstone": '"ignore"',
    "datareporting.policy.dataSubmissionEnabled": "false",
    "media.gmp-manager.updateEnabled": "false",
    "network.captive-portal-service.enabled": "false",
    "network.connectivity-service.enabled": "false",
    "services.settings.server": '"data:,#remote-settings-dummy/v1"',
    "toolkit.telemetry.reportingpolicy.firstRun": "false",
}


class Page(abc.ABC):
    """One window with a session storage of its own."""

    @abc.abstractmethod
    async def goto(self, url: str) -> None:
        """Load `url` and wait until it has loaded."""

    @abc.abstractmethod
    async def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression, as JSON carries it; a promise is awaited."""

    @abc.abstractmethod
    async def screenshot(self, path: Path) -> None:
        """Write what the window shows as PNG."""

    @abc.abstractmethod
    def logs(self) -> list[str]:
        """The last lines of the page's console."""

    @abc.abstractmethod
    async def close(self) -> None:
        """Close the window."""


class Browser(abc.ABC):
    """A running browser."""

    name: str
    executable: str
    tone_hertz: float
    """What its fake microphone plays: Chromium a beep twice a second, Firefox without a pause."""

    def __init__(self, *, headed: bool = False) -> None:
        self.headed = headed

    @classmethod
    def installed(cls) -> bool:
        """Whether it can be started here."""
        return shutil.which(cls.executable) is not None

    @abc.abstractmethod
    async def start(self) -> None:
        """Start it, with an empty profile."""

    @abc.abstractmethod
    async def stop(self) -> None:
        """End it and remove its profile."""

    @abc.abstractmethod
    async def open(self, **options: Any) -> Page:
        """A new window. `options`: of the context (Playwright's `new_context`), which Chromium alone takes."""

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()


class ChromiumPage(Page):
    def __init__(self, context: BrowserContext, page: PlaywrightPage) -> None:
        self._context = context
        self.driven = page
        """Playwright's own page, for real keys and fingers."""
        self._logs: deque[str] = deque(maxlen=LOG_LINES)
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self._logs.append(f"error: {error}"))

    def _on_console(self, message: ConsoleMessage) -> None:
        self._logs.append(f"{message.type}: {message.text}")

    async def goto(self, url: str) -> None:
        await self.driven.goto(url)

    async def evaluate(self, expression: str) -> Any:
        return await self.driven.evaluate(f"async () => ({expression}\n)")

    async def screenshot(self, path: Path) -> None:
        await self.driven.screenshot(path=path)

    def logs(self) -> list[str]:
        return list(self._logs)

    async def close(self) -> None:
        await self._context.close()


class Chromium(Browser):
    """Debian's Chromium through Playwright."""

    name = "chromium"
    executable = "chromium"
    tone_hertz = 400.0
    fake_device = "fps=10"
    """Options of its camera, as `fps=5,device-count=2`; half the frames that it has by itself, which cost most."""
    flags: tuple[str, ...] = ()
    """More of its command line."""
    _playwright: Playwright
    _browser: PlaywrightBrowser

    async def start(self) -> None:
        self._playwright = await async_playwright().start()
        self._browser = await self._playwright.chromium.launch(
            executable_path=shutil.which(self.executable),
            args=(*CHROMIUM_FLAGS, *self.flags, f"--use-fake-device-for-media-stream={self.fake_device}"),
            headless=not self.headed,
            timeout=START_TIMEOUT * 1000,
        )

    async def open(self, **options: Any) -> ChromiumPage:
        context = await self._browser.new_context(**{"permissions": ["camera", "microphone"], **options})
        return ChromiumPage(context, await context.new_page())

    async def stop(self) -> None:
        await self._browser.close()
        await self._playwright.stop()


class FirefoxPage(Page):
    def __init__(self, session: BidiSession, context: str) -> None:
        self._session = session
        self._context = context

    async def goto(self, url: str) -> None:
        await self._session.command("browsingContext.navigate", context=self._context, url=url, wait="complete")

    async def evaluate(self, expression: str) -> Any:
        return await self._session.evaluate(self._context, expression)

    async def screenshot(self, path: Path) -> None:
        shot = await self._session.command("browsingContext.captureScreenshot", context=self._context)
        path.write_bytes(base64.b64decode(shot["data"]))

    def logs(self) -> list[str]:
        return self._session.logs(self._context)

    async def close(self) -> None:
        await self._session.command("browsingContext.close", context=self._context)


class Firefox(Browser):
    """Debian's Firefox ESR through WebDriver BiDi. Each page is a window: a tab in the background would not paint."""

    name = "firefox"
    executable = "firefox-esr"
    tone_hertz = 1000.0
    _session: BidiSession
    _process: asyncio.subprocess.Process
    _drain: asyncio.Task[None]

    async def start(self) -> None:
        self._profile = tempfile.TemporaryDirectory(prefix="sfu-firefox-", ignore_cleanup_errors=True)
        lines = [f'user_pref("{name}", {value});' for name, value in FIREFOX_PREFERENCES.items()]
        Path(self._profile.name, "user.js").write_text("\n".join(lines))
        self._process = await asyncio.create_subprocess_exec(
            self.executable,
            *(() if self.headed else ("--headless",)),
            *("--no-remote", "--profile", self._profile.name, "--remote-debugging-port", "0", "about:blank"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "HOME": self._profile.name},
            start_new_session=True,  # so that all of its processes can be ended
        )
        try:
            async with asyncio.timeout(START_TIMEOUT):
                self._session = await BidiSession.open(await self._address())
        except BaseException:
            await self._end()
            raise
        self._drain = asyncio.create_task(self._discard())

    async def _address(self) -> str:
        assert self._process.stderr is not None
        seen = []
        while line := (await self._process.stderr.readline()).decode(errors="replace"):
            if match := re.search(r"WebDriver BiDi listening on (ws://\S+)", line):
                return match[1]
            seen.append(line)
        raise RuntimeError("Firefox ended before it could be driven:\n" + "".join(seen[-20:]))

    async def _discard(self) -> None:
        """Read what it prints, or the pipe would fill and stop it."""
        assert self._process.stderr is not None
        while await self._process.stderr.read(65536):
            pass

    async def open(self, **options: Any) -> FirefoxPage:
        if options:
            raise ValueError(f"Firefox opens plain windows only, not one with {', '.join(options)}")
        made = await self._session.command("browsingContext.create", type="window")
        return FirefoxPage(self._session, made["context"])

    async def stop(self) -> None:
        await self._session.close()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), 10)
        await self._end()
        await self._drain

    async def _end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        await self._process.wait()
        self._profile.cleanup()


BROWSERS: dict[str, type[Browser]] = {kind.name: kind for kind in (Chromium, Firefox)}
