"""A headless Chromium, controlled with the DevTools protocol over two pipes: pages, console messages, keys, screenshots."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
OPTIONS = (
    "--headless=new",
    "--no-sandbox",  # containers rarely permit the sandbox
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)
PATIENCE_S = 60
KEYS = {
    "Tab": 9, "Enter": 13, "Escape": 27, " ": 32, "End": 35, "Home": 36, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40,
}  # fmt: skip
# Resolved when the curves of a report are shown.
CHART_SHOWN = """new Promise((done) => {
  const look = () => document.querySelector(".chart .plot .line") ? done(true) : setTimeout(look, 10);
  look();
})"""
# The place in the window of the last point of a shown line; `kind` is seed or mean.
LAST_POINT = """(() => {{
  const line = document.querySelectorAll(".chart .plot .{kind} .line")[{place}];
  const box = line.ownerSVGElement.getBoundingClientRect();
  const [x, y] = line.getAttribute("d").split("L").at(-1).split(" ").map(Number);
  return [box.left + x, box.top + y];
}})()"""


def found() -> str | None:
    """The path of the browser, or None."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Browser:
    """One page. `with Browser(path) as browser:`; `complaints` collects errors and warnings, `requested` the requested addresses."""

    def __init__(self, executable: str) -> None:
        self.executable = executable
        self.complaints: list[str] = []
        self.requested: list[str] = []  # addresses
        self.loaded: list[str] = []  # ids of the documents that have loaded
        self._number = 0
        self._session: str | None = None
        self._unread = b""

    def __enter__(self) -> Browser:
        self._profile = TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True)
        to_browser, from_us = os.pipe()
        to_us, from_browser = os.pipe()
        # The browser reads commands from descriptor 3 and answers on 4.
        joined = f'exec "$0" "$@" 3<&{to_browser} 4>&{from_browser}'
        self._process = subprocess.Popen(
            ["bash", "-c", joined, self.executable, *OPTIONS, f"--user-data-dir={self._profile.name}", "about:blank"],
            pass_fds=(to_browser, from_browser),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_browser)
        os.close(from_browser)
        self._write, self._read = from_us, to_us
        (page,) = (each for each in self.send("Target.getTargets")["targetInfos"] if each["type"] == "page")
        self._session = self.send("Target.attachToTarget", targetId=page["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")
        self.send("Page.setLifecycleEventsEnabled", enabled=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._process.terminate()
        self._process.wait()
        os.close(self._write)
        os.close(self._read)
        self._profile.cleanup()

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and return its answer; events meanwhile are recorded."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._message()
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                result: dict[str, Any] = answer["result"]
                return result

    def open(
        self, page: Path, size: tuple[int, int] = (1280, 800), dark: bool = False, script: bool = True, anchor: str = ""
    ) -> None:
        """Open a file in a window of `size` pixels."""
        self.open_address(page.absolute().as_uri() + anchor, size, dark, script)

    def open_address(self, address: str, size: tuple[int, int] = (1280, 800), dark: bool = False, script: bool = True) -> None:
        """Open an address in a window of `size` pixels."""
        width, height = size
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", features=[scheme])
        self.send("Emulation.setScriptExecutionDisabled", value=not script)
        self._load("about:blank")  # otherwise the same page with another anchor would not be reloaded
        self.point(0, 0)  # Chromium repeats the last move of the mouse after a page has scrolled
        self.complaints.clear()  # what the page before this one has sent until now is read
        self.requested.clear()
        self._load(address)

    def _load(self, address: str) -> None:
        loader = self.send("Page.navigate", url=address)["loaderId"]
        while loader not in self.loaded:
            self._message()

    def wait_for_another_load(self) -> None:
        """Wait until the page has reloaded."""
        before = len(self.loaded)
        while len(self.loaded) == before:
            self._message()

    def value(self, expression: str) -> Any:
        """The value of a JavaScript expression on the page; promises are awaited."""
        answer = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def press(self, key: str) -> None:
        """Press and release a key of KEYS."""
        code = {"key": key, "code": "Space" if key == " " else key, "windowsVirtualKeyCode": KEYS[key]}
        text: Mapping[str, str] = {"Enter": {"text": "\r"}, " ": {"text": " "}}.get(key, {})
        self.send("Input.dispatchKeyEvent", type="keyDown", **code, **text)
        self.send("Input.dispatchKeyEvent", type="keyUp", **code)

    def point(self, x: float, y: float, to: tuple[float, float] | None = None) -> None:
        """Move the mouse to a place of the window; `to`: drag it from there."""
        self.send("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        if to is not None:
            button = {"button": "left", "clickCount": 1}
            self.send("Input.dispatchMouseEvent", type="mousePressed", x=x, y=y, **button)
            self.send("Input.dispatchMouseEvent", type="mouseMoved", x=to[0], y=to[1], **button)
            self.send("Input.dispatchMouseEvent", type="mouseReleased", x=to[0], y=to[1], **button)

    def tap(self, x: float, y: float) -> None:
        """Touch a place of the window."""
        self.send("Input.dispatchTouchEvent", type="touchStart", touchPoints=[{"x": x, "y": y}])
        self.send("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])

    def print(self, on: bool = True) -> None:
        """Show the page as it is printed, or on a screen again."""
        self.send("Emulation.setEmulatedMedia", media="print" if on else "")

    def screenshot(self, path: Path, whole: bool = True) -> None:
        """A PNG of the page, or of the visible part."""
        picture = self.send("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(picture["data"]))

    def _message(self) -> dict[str, Any]:
        while b"\0" not in self._unread:
            ready, _, _ = select.select([self._read], [], [], PATIENCE_S)
            more = os.read(self._read, 1 << 16) if ready else b""
            if not more:
                raise RuntimeError("the browser is gone" if ready else f"the browser has been silent for {PATIENCE_S} s")
            self._unread += more
        line, _, self._unread = self._unread.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        self._note(message)
        return message

    def _note(self, message: Mapping[str, Any]) -> None:
        said: Mapping[str, Any] = message.get("params", {})
        match message.get("method"):
            case "Page.lifecycleEvent" if said["name"] == "load":
                self.loaded.append(said["loaderId"])
            case "Network.requestWillBeSent":
                self.requested.append(said["request"]["url"])
            case "Log.entryAdded":
                self.complaints.append(said["entry"]["text"])
            case "Runtime.exceptionThrown":
                self.complaints.append(str(said["exceptionDetails"]))
            case "Runtime.consoleAPICalled":
                self.complaints.append(" ".join(str(each.get("value")) for each in said["args"]))


def links(browser: Browser) -> Sequence[str]:
    """The targets of all links of the page."""
    found: Sequence[str] = browser.value("[...document.links].map((link) => link.href)")
    return found
