#!/usr/bin/env python3
"""Uses the interactive page of a graph in a headless browser, from disk.

usage: page.py CHAR_LM [SCREENSHOT]
Exits with 77, "skipped", if Chromium is not installed. Speaks the DevTools protocol through a pair of pipes.
"""

import base64
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]


class Browser:
    def __init__(self, program, folder):
        to_read, self.out = os.pipe()
        self.input, to_write = os.pipe()

        def pass_pipes():
            # Through unused descriptors, as a pipe may already have descriptor 3 or 4.
            a, b = os.dup2(to_read, 60), os.dup2(to_write, 61)
            os.dup2(a, 3)
            os.dup2(b, 4)

        self.process = subprocess.Popen(
            [program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
             "--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={folder}/profile",
             "--window-size=1200,800", "--remote-debugging-pipe", "about:blank"],
            preexec_fn=pass_pipes, close_fds=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_read)
        os.close(to_write)
        self.buffer, self.count, self.session, self.events = b"", 0, None, []
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]

    def message(self):
        while b"\0" not in self.buffer:
            part = os.read(self.input, 1 << 16)
            assert part, "the browser went away"
            self.buffer += part
        text, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(text)

    def ask(self, method, **parameters):
        self.count += 1
        request = {"id": self.count, "method": method, "params": parameters}
        if self.session:
            request["sessionId"] = self.session
        os.write(self.out, json.dumps(request).encode() + b"\0")
        while True:
            answer = self.message()
            if answer.get("id") == self.count:
                assert "error" not in answer, (method, answer)
                return answer["result"]
            self.events.append(answer)

    def run(self, script):
        result = self.ask("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in result, (script, result)
        return result["result"].get("value")

    def until(self, script):
        end = time.time() + 30
        while not self.run(script):
            assert time.time() < end, f"this did not become true: {script}"
            time.sleep(0.05)

    def mouse(self, kind, x, y, **more):
        self.ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)

    def centre(self, selector):
        box = self.run(f"(() => {{ const r = document.querySelector({json.dumps(selector)})"
                       ".getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; })()")
        return box

    def click(self, selector):
        x, y = self.centre(selector)
        self.mouse("mouseMoved", x, y)
        self.mouse("mousePressed", x, y, button="left", clickCount=1)
        self.mouse("mouseReleased", x, y, button="left", clickCount=1)

    def type(self, text):
        self.ask("Input.insertText", text=text)

    def key(self, name):
        for kind in ("keyDown", "keyUp"):
            self.ask("Input.dispatchKeyEvent", type=kind, key=name)


def titles(browser, kind):
    return browser.run(f"[...document.querySelectorAll('#paper .{kind}')].map("
                       "g => g.querySelector('text')?.textContent)")


def module_named(browser, title):
    found = browser.run("[...document.querySelectorAll('#paper .node.module')].find("
                        f"g => g.textContent.includes({json.dumps(title)}))?.id")
    assert found, (title, titles(browser, "module"))
    return "#" + found


def walk(browser, page, screenshot):
    browser.ask("Page.enable")
    browser.ask("Runtime.enable")
    browser.ask("Network.enable")
    browser.ask("Page.navigate", url=page.as_uri())
    browser.until("document.body?.dataset.module === '0' && !!document.querySelector('#paper svg')")

    # Initially the modules are collapsed.
    assert any("lstm" in t for t in titles(browser, "module")), titles(browser, "module")
    assert not any("add_linear" in (t or "") for t in titles(browser, "node"))
    if screenshot:
        picture = browser.ask("Page.captureScreenshot")["data"]
        pathlib.Path(screenshot).write_bytes(base64.b64decode(picture))

    # A module expands on a click, and so do its children.
    browser.click(module_named(browser, "lstm"))
    browser.until("document.getElementById('path').textContent.includes('lstm')")
    browser.click(module_named(browser, "layer 1"))
    browser.until("document.getElementById('path').textContent.includes('layer 1')")
    steps = module_named(browser, "× 30")
    assert "weight_hh" in " ".join(titles(browser, "parameter")), titles(browser, "parameter")
    browser.click(steps)
    browser.until("document.getElementById('path').textContent.includes('× 30')")
    inside = titles(browser, "operation")
    assert "add_linear" in inside and "lstm" in inside, inside
    assert browser.run("document.querySelectorAll('#paper .edge.carried').length") == 3
    labels = browser.run("[...document.querySelectorAll('#paper g[paint-order] text, #paper .node.label text')].map(t => t.textContent)")
    assert {"c", "h"} <= {label.split()[-1] for label in labels if label.split()}, labels
    assert browser.run("document.querySelectorAll('#paper .outside').length") >= 2

    # Collapse again: by the button, by a key, by the path.
    browser.click("#close")
    browser.until("!document.getElementById('path').textContent.includes('× 30')")
    browser.key("Escape")
    browser.until("!document.getElementById('path').textContent.includes('layer 1')")
    browser.click("#path button")
    browser.until("document.body.dataset.module === '0'")
    assert browser.run("document.getElementById('close').disabled")

    # Searching shows a node inside a module and highlights it.
    browser.click("#search")
    browser.type("weight_hh layer")
    browser.until("document.querySelectorAll('#results button').length === 2")
    browser.click("#results button:last-child")
    browser.until("document.querySelector('#paper .found')?.textContent.includes('weight_hh')")
    x, y = browser.centre("#paper .found")
    assert 0 < x < 1200 and 0 < y < 800, "what was found is out of sight"
    browser.run("document.getElementById('search').value = ''")
    browser.click("#search")
    browser.type("no such name")
    browser.until("document.getElementById('results').textContent.includes('No match')")
    browser.key("Escape")
    browser.until("document.getElementById('results').textContent === ''")

    # The wheel zooms at the pointer, dragging moves, and neither expands a module.
    width = "document.querySelector('#paper svg').getBoundingClientRect().width"
    left = "document.querySelector('#paper svg').getBoundingClientRect().left"
    module = browser.run("document.body.dataset.module")
    before = browser.run(width)
    browser.mouse("mouseWheel", 600, 400, deltaX=0, deltaY=-400)
    browser.until(f"{width} > {before} * 1.5")
    before = browser.run(left)
    browser.mouse("mousePressed", 600, 400, button="left", clickCount=1)
    browser.mouse("mouseMoved", 660, 430, button="left", buttons=1)
    browser.mouse("mouseMoved", 700, 450, button="left", buttons=1)
    browser.mouse("mouseReleased", 700, 450, button="left", clickCount=1)
    browser.until(f"Math.abs({left} - {before} - 100) < 2")
    before = browser.run(width)
    browser.click("#out")
    browser.until(f"{width} < {before}")
    browser.click("#fit")
    browser.until(f"{left} >= 0")
    assert browser.run("document.body.dataset.module") == module

    asked = [e["params"]["request"]["url"] for e in browser.events if e["method"] == "Network.requestWillBeSent"]
    assert all(url.startswith(("file:", "data:", "about:")) for url in asked), asked
    thrown = [e for e in browser.events if e["method"] == "Runtime.exceptionThrown"]
    assert not thrown, thrown


def main(char_lm, screenshot=None):
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        print("Chromium is not installed")
        return 77
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        page = pathlib.Path(name, "graph.html")
        text = pathlib.Path(name, "text.txt")
        text.write_text("a line of text\n" * 200)
        subprocess.run([char_lm, "train", text, "--cell", "lstm", "--layers", "2", "--steps", "30", "--batch", "2",
                        "--dump-graph", page], check=True, stdout=subprocess.DEVNULL)
        browser = Browser(program, name)
        try:
            walk(browser, page, screenshot)
        finally:
            browser.process.kill()
            browser.process.wait()
    print("the page expands, collapses, searches, zooms and moves, without network access")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
