#!/usr/bin/env python3
"""Plays each question of the epoll laboratory in headless Chromium, in both languages, step by step:
lab_browser.py. What the page shows must be what the model answers under node, and the last answer is
explained in words. Also by keys, undone, restored from the address, and by the buttons. Needs
chromium, chromedriver, node and a site that was built; status 77 without them."""

import functools
import http.server
import json
import shutil
import subprocess
import sys
import threading
from pathlib import Path

from browser import KEYS, SITE, Browser, Quiet

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / "docs/theme/lab_model.js"
LIMIT = 300_000  # bytes of the page and all that only this page loads
BEYOND_QUESTIONS = ["pair", "ADD 4 IN OUT ET", "T1 waits 8", "T1 waits 8", "A sends 60", "read 4 40", "wait 8"]

KEYS["home"] = "\ue011"

broken = False


def expect(fine, what):
    global broken
    if not fine:
        broken = True
        print(f"BROKEN: {what}")


def questions():
    return {path.stem: [line.split(" = ")[0] for line in path.read_text().splitlines()]
            for path in sorted((ROOT / "docs/lab").glob("*.txt"))}


def transcript(node, operations):
    """What the model answers under node."""
    program = f"console.log(JSON.stringify(require({json.dumps(str(MODEL))}).transcript({json.dumps(operations)})))"
    return json.loads(subprocess.run([node, "-e", program], capture_output=True, text=True, check=True).stdout)


def address(operations):
    return "#do_" + "_".join(operation.replace(" ", "-") for operation in operations)


class Laboratory:
    def __init__(self, browser, site, language):
        self.browser, self.page, self.language = browser, f"{site}/{language}/lab.html", language

    def open(self, operations=()):
        self.browser.open("about:blank")  # another hash alone loads nothing
        self.browser.open(self.page + (address(operations) if operations else ""))

    def told(self):
        """The line of the last operation, as it is read."""
        return self.browser.run("const code = document.querySelector('#lab_bench .told code');"
                                "return code ? code.innerText : ''")

    def log(self):
        return self.browser.run("return [...document.querySelectorAll('#lab_bench .log code')].map(e => e.innerText)")[::-1]

    def answer(self):
        """The question that is answered and its answer, or nothing while there is none."""
        return self.browser.run("const answer = document.querySelector('#lab_bench .answer');"
                                "return answer.hidden ? null : [answer.dataset.question, answer.innerText]")

    def push(self, text):
        """A button by what stands on it."""
        return self.browser.run("""const button = [...document.querySelectorAll('#lab_bench button')]
            .find(each => each.textContent === arguments[0]);
            if (!button || button.getAttribute('aria-disabled') === 'true') return false;
            button.click(); return true""", text)

    def choose(self, name):
        self.browser.run("""const select = document.querySelector('#lab_bench .asked select');
            select.value = arguments[0]; select.dispatchEvent(new Event('change'))""", name)

    def play(self, name, lines):
        """Step by step to the answer, which is the page's own paragraph."""
        self.open()
        self.choose(name)
        shown = [self.told()]
        for _ in lines[1:]:
            expect(self.answer() is None, f"{self.language}: {name} is answered before its end")
            self.browser.run("document.querySelector('#lab_bench button.next').click()")
            shown.append(self.told())
        expect(shown == lines, f"{self.language}: {name} shows\n{shown}\nthe model answers\n{lines}")
        expect(self.log() == lines, f"{self.language}: the log of {name} is {self.log()}")
        answered, text = self.answer() or (None, "")
        paragraph = self.browser.run("""let part = document.querySelector(`pre[data-question="${arguments[0]}"]`);
            do part = part.nextElementSibling; while (part.tagName !== 'P');
            return part.innerText.trim()""", name)
        expect(answered == name and paragraph and paragraph in text,
               f"{self.language}: the answer to {name} is {text!r}, not {paragraph!r}")
        chinese = any("\u4e00" <= letter <= "\u9fff" for letter in text)
        expect(chinese == (self.language == "zh"), f"{self.language}: the answer to {name} is in the other language")

    def keys(self, lines):
        """Forward, back and to the beginning by keys; the address keeps what was done."""
        self.open()
        self.browser.run("document.querySelector('#lab_bench button.next').focus()")
        seen = [self.told()]
        for key in ("right", "right", "left", "right", "home"):
            self.browser.press(key)
            seen.append(self.told())
        wanted = [lines[i] for i in (0, 1, 2, 1, 2, 0)]
        expect(seen == wanted, f"{self.language}: keys lead to {seen}, not to {wanted}")

    def by_hand(self, lines):
        """Does the same operations from buttons, from the address, and in the other language."""
        for given in (["no", "such thing"], ["pair", "read 4 999999999"]):
            self.open(given)
            expect(len(self.log()) == 1, f"{self.language}: {address(given)} is taken for operations")
        self.open()
        self.choose("")
        words = {"en": ("thread T1 waits", "sends", "epoll_wait, timeout 0", "Undo"),
                 "zh": ("线程 T1 等待", "发送", "epoll_wait，超时为 0", "撤销")}[self.language]
        self.push("socketpair")
        self.browser.run("""[...document.querySelectorAll('#lab_bench input')]
            .find(each => each.parentElement.innerText.trim() === 'OUT').click()""")
        self.push("ADD")
        self.push(words[0])  # returns at once
        self.push(words[0])  # blocks
        expect(not self.push(words[0]), f"{self.language}: a blocked thread can wait once more")
        for text in (words[1], "read", words[2]):
            expect(self.push(text), f"{self.language}: there is no button {text}")
        expect(self.log() == lines, f"{self.language}: the buttons did\n{self.log()}\nthe model answers\n{lines}")
        kept = self.browser.run("return location.hash")
        expect(kept == address(BEYOND_QUESTIONS), f"{self.language}: the address keeps {kept}")
        expect(self.browser.run("return document.querySelector('a.language').hash") == kept,
               f"{self.language}: the other language begins from the beginning")
        self.open(BEYOND_QUESTIONS)
        expect(self.log() == lines, f"{self.language}: from its address the page shows {self.log()}")
        self.push(words[3])
        expect(self.log() == lines[:-1], f"{self.language}: undo leaves {self.log()}")

    def without_script(self, everything):
        """Each question's lines are text of the page; and the page is small and loads nothing from elsewhere."""
        text = (SITE / self.language / "lab.html").read_text()
        for name, lines in everything.items():
            expect("\n".join(lines) in text, f"{self.language}: without a script {name} has no steps")
        size = sum((SITE / self.language / name).stat().st_size
                   for name in ("lab.html", "lab.js", "lab_model.js", "lab.css"))
        expect(size < LIMIT, f"{self.language}: the page has {size} bytes")
        self.open()
        elsewhere = self.browser.run("""return performance.getEntriesByType('resource').map(each => each.name)
            .filter(each => !each.startsWith(location.origin) && !each.startsWith('data:'))""")
        expect(not elsewhere, f"{self.language}: the page loads {elsewhere}")

    def narrow(self):
        self.browser.size(400, 900)
        self.open(BEYOND_QUESTIONS)
        wide = self.browser.run("const page = document.getElementById('doc-content');"
                                "return page.scrollWidth > page.clientWidth + 1")
        expect(not wide, f"{self.language}: the laboratory is wider than a phone")
        self.browser.size(1400, 1000)


def main():
    node = shutil.which("node") or shutil.which("nodejs")
    if not shutil.which("chromedriver") or not node or not (SITE / "index.html").exists():
        print("left out: there is no chromedriver or no node, or the site has not been built")
        sys.exit(77)
    expected = {name: transcript(node, operations) for name, operations in questions().items()}
    by_hand = transcript(node, BEYOND_QUESTIONS)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=SITE))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    browser = Browser()
    try:
        browser.size(1400, 1000)
        for language in ("en", "zh"):
            page = Laboratory(browser, f"http://127.0.0.1:{server.server_address[1]}", language)
            page.open()
            names = browser.run("return [...document.querySelectorAll('#lab_bench .asked option')].map(e => e.value)")
            expect(sorted(filter(None, names)) == sorted(expected), f"{language}: the page asks {names}")
            for name, lines in expected.items():
                page.play(name, lines)
            page.keys(expected[names[1]])
            page.by_hand(by_hand)
            page.without_script(expected)
            page.narrow()
        errors = browser.errors()
        expect(not errors, "errors in the console:\n  " + "\n  ".join(errors[:10]))
    finally:
        browser.quit()
        server.shutdown()
    print(f"{len(expected)} questions in two languages")
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
