# SPDX-License-Identifier: BSD-2-Clause
"""A headless Chromium in a namespace, driven over a pipe (the DevTools protocol: JSON messages, each
followed by a NUL byte), so that it needs neither a driver nor a WebSocket."""

import base64
import contextlib
import json
import os
import select
import subprocess
import time

from harness import check, need, work_directory
from netns import PATIENCE, Timeout

PROGRAM = "chromium-headless-shell"


class Browser:
    """One page. Use it as a context manager, which ends the process."""

    count = 0

    def __init__(self, namespace, width=1280, height=900):
        need(PROGRAM)
        Browser.count += 1
        down, self._requests = os.pipe()
        self._answers, up = os.pipe()
        # Chromium reads from descriptor 3 and writes to 4. dash knows no descriptor above 9.
        command = namespace.command(
            "setpriv", "--pdeathsig", "KILL", "bash", "-c", f'exec 3<&{down} 4>&{up}; exec "$@"', "bash", PROGRAM,
            "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
            "--no-first-run", "--disable-background-networking", "--disable-component-update",
            "--disable-breakpad", "--hide-scrollbars",
            f"--user-data-dir={work_directory()}/chromium{Browser.count}", "about:blank")
        self._process = subprocess.Popen(command, pass_fds=(down, up), stdin=subprocess.DEVNULL,
                                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(down)
        os.close(up)
        self._buffer = b""
        self._calls = 0
        self._session = None
        self.errors = []  # what its console says, and exceptions
        self.requests = []  # every URL that it has asked for
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network", "Performance"):
            self._call(f"{domain}.enable")
        self.resize(width, height)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self._send({"id": 0, "method": "Browser.close"})
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(10)
        self._process.kill()
        self._process.wait()
        os.close(self._requests)
        os.close(self._answers)

    def _send(self, message):
        os.write(self._requests, json.dumps(message).encode() + b"\0")

    def _receive(self, deadline):
        """The next message; events are noted and passed over."""
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._answers], [], [], max(0, deadline - time.monotonic()))
            if not ready:
                raise Timeout("the browser does not answer")
            data = os.read(self._answers, 1 << 20)
            check(data, f"the browser has ended: {self._process.poll()}")
            self._buffer += data
        line, self._buffer = self._buffer.split(b"\0", 1)
        return json.loads(line)

    def _note(self, event):
        params = event.get("params", {})
        if event["method"] == "Runtime.exceptionThrown":
            self.errors.append(params["exceptionDetails"])
        elif event["method"] == "Runtime.consoleAPICalled" and params["type"] == "error":
            self.errors.append(params)
        elif event["method"] == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.errors.append(params["entry"])
        elif event["method"] == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])

    def _call(self, method, **params):
        self._calls += 1
        message = {"id": self._calls, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        self._send(message)
        deadline = time.monotonic() + PATIENCE
        while True:
            answer = self._receive(deadline)
            if "method" in answer:
                self._note(answer)
            elif answer["id"] == self._calls:
                check("error" not in answer, f"{method}: {answer.get('error')}")
                return answer["result"]

    # ---- what a test does ----

    def open(self, url):
        """Load a page."""
        self._call("Page.navigate", url=url)
        self.wait("document.readyState === 'complete' && location.href !== 'about:blank'", f"{url} is loaded")

    def resize(self, width, height, dark=False):
        """The size of the window, and the colour scheme that the user prefers."""
        self._call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                   mobile=False)
        self._call("Emulation.setEmulatedMedia",
                   features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])

    def evaluate(self, expression):
        """The value of a JavaScript expression."""
        answer = self._call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        check("exceptionDetails" not in answer, f"{expression}: {answer.get('exceptionDetails')}")
        return answer["result"].get("value")

    def wait(self, expression, what, timeout=PATIENCE):
        """Wait until a JavaScript expression is true, and return its value."""
        deadline = time.monotonic() + timeout
        while True:
            value = self.evaluate(expression)
            if value:
                return value
            if time.monotonic() > deadline:
                text = self.evaluate("document.body?.innerText")
                raise Timeout(f"not within {timeout} s: {what} ({expression}: {value!r}); the page:\n{text}")
            time.sleep(0.05)

    def key(self, name, code=0, text=""):
        """Press a key."""
        for kind in ("keyDown", "keyUp"):
            self._call("Input.dispatchKeyEvent", type=kind, key=name, code=name, windowsVirtualKeyCode=code,
                       text=text if kind == "keyDown" else "")

    def type(self, text):
        """Type a text."""
        self._call("Input.insertText", text=text)

    def memory(self):
        """What the page holds after a garbage collection: bytes of objects, nodes, listeners."""
        for _ in range(3):
            self._call("HeapProfiler.collectGarbage")
        metrics = {entry["name"]: entry["value"] for entry in self._call("Performance.getMetrics")["metrics"]}
        return {name: metrics[name] for name in ("JSHeapUsedSize", "Nodes", "JSEventListeners")}

    def screenshot(self, path, whole=True):
        """Write a PNG."""
        data = self._call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)["data"]
        with open(path, "wb") as file:
            file.write(base64.b64decode(data))
