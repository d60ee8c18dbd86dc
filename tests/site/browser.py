#!/usr/bin/env python3
"""Uses the site as a reader does, in headless Chromium: browser.py. The front page, all five stages
in both languages by clicking, the timelines, the game, the search, the other theme, the other language, and
nothing wider than a phone; no error in the console. Needs chromium, chromedriver and a site that was
built; status 77 without them. SHOTS=DIRECTORY keeps a picture of each page in both themes, wide and
narrow."""

import base64
import functools
import http.server
import json
import os
import shutil
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "build/docs/html"
SEARCHES = {"en": ("netpoll", "netpoll"), "zh": ("第 4", "第 4 阶段")}
WALK = ["stage1", "io_models", "stage2", "stage3", "edge_level", "lab", "kernel", "lost_wakeup", "stage4", "lose", "coroutines",
        "stage5"]
TIMELINES = {"one_byte": 2, "stage5": 1}  # page: how many
KEYS = {"left": "\ue012", "right": "\ue014"}


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


class Browser:
    """As much of WebDriver as is needed."""

    def __init__(self):
        self.driver = subprocess.Popen(["chromedriver", "--port=0"], stdout=subprocess.PIPE, text=True)
        for line in self.driver.stdout:
            if "successfully on port" in line:
                self.base = f"http://127.0.0.1:{line.rsplit(' ', 1)[1].strip().rstrip('.')}"
                break
        options = {"args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]}
        if shutil.which("chromium"):
            options["binary"] = shutil.which("chromium")
        session = self.call("POST", "/session", {"capabilities": {"alwaysMatch": {
            "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}}})
        self.base += f"/session/{session['sessionId']}"

    def call(self, method, path, body=None):
        data = json.dumps(body or {}).encode() if method == "POST" else None
        request = urllib.request.Request(self.base + path, data, {"Content-Type": "application/json"},
                                         method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)["value"]

    def run(self, script, *arguments):
        return self.call("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def open(self, url):
        self.call("POST", "/url", {"url": url})

    def path(self):
        return "/".join(self.run("return location.pathname").split("/")[-2:])

    def size(self, width, height):
        self.call("POST", "/window/rect", {"width": width, "height": height})

    def click(self, selector):
        self.run("document.querySelector(arguments[0]).click()", selector)
        time.sleep(0.3)

    def press(self, *keys):
        """As a hand does, wherever the focus is. A key is a character, or one of KEYS."""
        self.call("POST", "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": [
            {"type": kind, "value": KEYS.get(key, key)} for key in keys for kind in ("keyDown", "keyUp")]}]})

    def wait(self, script, *arguments):
        for _ in range(50):
            value = self.run(script, *arguments)
            if value:
                return value
            time.sleep(0.1)
        return None

    def errors(self):
        return [entry["message"] for entry in self.call("POST", "/se/log", {"type": "browser"})
                if entry["level"] == "SEVERE"]

    def shot(self, path):
        path.write_bytes(base64.b64decode(self.call("GET", "/screenshot")))

    def quit(self):
        try:
            self.call("DELETE", "")
        finally:
            self.driver.terminate()
            self.driver.wait(timeout=20)


class Reader:
    def __init__(self, browser, site):
        self.browser, self.site, self.broken = browser, site, False

    def expect(self, fine, what):
        if not fine:
            self.broken = True
            print(f"BROKEN: {what}")

    def walk(self, language):
        """From the front page through the stages and the pages between them, each by its link to the next."""
        self.browser.open(f"{self.site}/{language}/index.html")
        self.browser.click("nav.map a.stage")
        for page in WALK:
            here = self.browser.path()
            self.expect(here == f"{language}/{page}.html", f"{here} is not {page}")
            code = self.browser.run("return document.querySelectorAll('div.fragment, pre.fragment').length")
            self.expect(code > 0 or page == "lose", f"{here} shows no code")  # the game has a table of its own
            self.browser.click("nav.between a:last-of-type")
        self.browser.open(f"{self.site}/{language}/index.html")
        self.browser.click("nav.map a.edge")
        self.expect(self.browser.run("return location.hash") == "#stage2_diff", "an edge of the map leads elsewhere")
        self.browser.click("div.diff summary")
        rows = self.browser.run("return document.querySelectorAll('div.diff details[open] span.a').length")
        self.expect(rows > 0, f"{language}: the difference from stage 1 to 2 shows nothing")

    def sketch(self, language):
        """From the front page to what sketch 4 changes, to what it forgets, to the function that fixes it."""
        self.browser.open(f"{self.site}/{language}/index.html")
        self.browser.click("nav.map a.stage[href='stage4.html']")
        lit = self.browser.run("return document.querySelectorAll('div.step pre span.a').length")
        self.expect(lit > 0, f"{language}/stage4 shows nothing that its sketch adds")
        forgets = self.browser.run("return document.getElementById('stage4_sketch').parentElement.innerText"
                                   " + document.body.innerText.includes('out of descriptors')")
        self.expect("true" in forgets, f"{language}/stage4 does not say what its sketch forgets")
        self.browser.click("a.el[href*='server']:not([href*='_source'])")
        self.expect("stage4" in self.browser.path(), f"the function that fixes it leads to {self.browser.path()}")

    def timelines(self, language):
        for page, count in TIMELINES.items():
            self.browser.open(f"{self.site}/{language}/{page}.html")
            found = self.browser.run("return document.querySelectorAll('figure.timeline').length")
            self.expect(found == count, f"{language}/{page} has {found} timelines instead of {count}")
            for i in range(found):
                self.browser.open(f"{self.site}/{language}/{page}.html")
                self.steps(f"{language}/{page}, timeline {i + 1}", i)

    def steps(self, what, i):
        """Forward and back, by button and by key: another event is explained, and marked."""
        def told():
            return self.browser.run("""const figure = document.querySelectorAll('figure.timeline')[arguments[0]];
                return [figure.querySelector('.told').innerText,
                        [...figure.querySelectorAll('a.event')].findIndex(e => e.classList.contains('current')),
                        figure.querySelector('.count').innerText]""", i)

        def push(name):
            self.browser.run("document.querySelectorAll('figure.timeline')[arguments[0]]"
                             ".querySelector(arguments[1]).click()", i, f"button.{name}")

        seen = [told()]
        self.browser.run("document.querySelectorAll('figure.timeline')[arguments[0]]"
                         ".querySelector('.scroll').focus()", i)
        for go in (lambda: push("forward"), lambda: self.browser.press("right"), lambda: push("forward"),
                   lambda: self.browser.press("left"), lambda: push("back"), lambda: push("first")):
            go()
            seen.append(told())
        places = [current for _, current, _ in seen]
        self.expect(places == [0, 1, 2, 3, 2, 1, 0], f"{what}: forward and back leads to the events {places}")
        for text, current, count in seen:
            if text.count("\n") != 1 or not count.startswith(f"{current + 1}/"):
                self.expect(False, f"{what}: event {current} is explained as {text!r}, {count}")
                break
        stays = [before[0] for before, after in zip(seen, seen[1:]) if before[0] == after[0]]
        self.expect(not stays, f"{what}: {len(stays)} steps leave it at {stays[:1]}")
        self.expect(seen[1][0] == seen[5][0], f"{what}: back is not where forward came from")
        self.sources(what, i)

    def sources(self, what, i):
        """Each event leads to the line that it shows; so does the link of the one that is explained."""
        wrong = self.browser.run("""const pages = {}, wrong = [];
            for (const event of document.querySelectorAll('figure.timeline')[arguments[0]].querySelectorAll('a.event')) {
                const [page, line] = event.getAttribute('href').split('#');
                if (!(page in pages)) {
                    const request = new XMLHttpRequest();
                    request.open('GET', page, false);
                    request.send();
                    pages[page] = new DOMParser().parseFromString(request.responseText, 'text/html');
                }
                const place = pages[page].getElementsByName(line)[0];
                const text = place ? place.parentElement.textContent : '';
                if (!event.dataset.code || !text.includes(event.dataset.code)) wrong.push(event.getAttribute('href'));
            }
            return wrong""", i)
        self.expect(not wrong, f"{what}: events that lead to other lines than they show: {wrong[:5]}")
        code = self.browser.run("""const told = document.querySelectorAll('figure.timeline')[arguments[0]]
            .querySelector('.told'); const code = told.querySelector('code').innerText;
            told.querySelector('a').click(); return code""", i)
        line = self.browser.wait("""const place = location.hash && document.getElementsByName(location.hash.slice(1))[0];
            return place && place.parentElement.innerText""")
        self.expect(line and code and code in line, f"{what}: the link leads to {line!r}, not to {code!r}")

    def game(self, language):
        """Every level is lost by the explorer's own interleaving, typed; only the last one cannot be."""
        levels = sorted((ROOT / "docs/lose").glob("*.json"), key=lambda path: int(path.stem))
        for path in levels:
            level, what = json.loads(path.read_text()), f"{language}, level {path.stem} of the game"
            self.browser.open(f"{self.site}/{language}/lose.html#level{path.stem}")
            begun = self.browser.wait("const select = document.querySelector('.lose select');"
                                      "return select && select.value === arguments[0]"
                                      " && document.querySelectorAll('.lose button.pick').length === arguments[1]",
                                      path.stem, len(level["actors"]))
            self.expect(begun, f"{what} does not begin")
            if level["lost"]:
                self.lose(what, path.stem, level["lost"])
            else:
                self.cannot_lose(what, level["explored"]["states"])
        self.moments(language)
        elsewhere = self.browser.run("return performance.getEntriesByType('resource').map(entry => entry.name)"
                                     ".filter(name => !name.startsWith(location.origin + '/'))")
        self.expect(not elsewhere, f"{language}: the game asks for {elsewhere}")

    def lose(self, what, number, way):
        digits = [str(who + 1) for who in way]
        self.browser.press(*digits[:-1])
        self.expect(not self.browser.run("return document.querySelector('.lose .verdict.won')"),
                    f"{what} is lost before the last step")
        self.browser.press(digits[-1])
        address = f"#level{number}-{''.join(digits)}"
        self.expect(self.browser.wait("return location.hash === arguments[0]", address),
                    f"{what} does not get the address {address}")
        won, steps, listed = self.browser.run("""
            const texts = list => [...list.querySelectorAll('li')].map(item => item.textContent);
            const verdict = document.querySelector('.lose .verdict.won');
            return [verdict && !verdict.hidden && verdict.textContent, texts(document.querySelector('.lose .history')),
                    texts(document.querySelector(`ol.lose-way[data-level="${arguments[0]}"]`))]""", number)
        self.expect(won, f"{what} is not lost by the explorer's own interleaving")
        self.expect(steps == listed, f"{what}: the board says {steps}, the page {listed}")

    def cannot_lose(self, what, states):
        said = self.browser.run("return document.querySelector('.lose .before').textContent")
        self.expect(f"{states:,}" in said, f"{what} does not say how many states were tried: {said}")
        for keys in ("1111111112333333", "111111116661114444555", "3132132131321132111"):
            self.browser.press("r", *keys)
            self.expect(not self.browser.run("return document.querySelector('.lose .verdict.won')"), f"{what} is lost")
        self.browser.press("r", "h")
        hint, never = self.browser.run("return [document.querySelector('.lose .told').textContent, "
                                       "JSON.parse(document.getElementById('lose_words').textContent).words.ui.never]")
        self.expect(hint == never, f"{what} has the hint {hint!r}")

    def moments(self, language):
        """A moment is in the address; undo, restart and hints; each step lights a line of the header."""
        def seen():
            time.sleep(0.2)  # the address follows a little later
            return self.browser.run("""return [location.hash, document.querySelector('.lose dl.shared').textContent,
                [...document.querySelectorAll('.lose .line.lit')].map(line => line.textContent.trim()),
                document.querySelector('a.language').getAttribute('href').split('#')[1]]""")

        self.browser.open(f"{self.site}/{language}/index.html")
        self.browser.open(f"{self.site}/{language}/lose.html#level3-11111")
        self.browser.wait("return document.querySelector('.lose .line.lit')")
        there = seen()
        self.expect(there[0] == "#level3-11111" and "#" + there[3] == there[0], f"{language}: a moment opens as {there}")
        self.expect(there[2] == ["g.store(empty | wait);"], f"{language}: lit is {there[2]}")
        self.browser.press("2", "3", "u", "u")
        self.expect(seen() == there, f"{language}: undo leads to {seen()}, not to {there}")
        told = self.browser.run("return document.querySelector('.lose .told[aria-live=polite]').textContent")
        self.expect(told, f"{language}: undo is not announced")
        for _ in range(20):
            self.browser.press("h")
            key = self.browser.run("return (document.querySelector('.lose .told').textContent.match(/\\d/) || [])[0]")
            if not key:
                break
            self.browser.press(key)
        self.expect(self.browser.run("return document.querySelector('.lose .verdict.won') !== null"),
                    f"{language}: the hints do not lead to a loss")
        self.browser.press("r")
        self.expect(seen()[0] == "#level3", f"{language}: restart leads to {seen()[0]}")

    def search(self, language):
        word, wanted = SEARCHES[language]
        self.browser.open(f"{self.site}/{language}/index.html")
        self.browser.run("""const field = document.getElementById('MSearchField');
            field.focus(); field.value = arguments[0];
            searchBox.OnSearchFieldChange({keyCode: 0});
            searchBox.Search();""", word)
        found = self.browser.wait("""
            const frame = document.getElementById('MSearchResults');
            const page = frame && frame.contentDocument;
            if (!page) return null;
            const shown = [...page.querySelectorAll('.SRResult')].filter(e => e.offsetParent !== null
                && getComputedStyle(e).display !== 'none').map(e => e.textContent);
            return shown.length ? shown.join(' | ') : null;""")
        self.expect(found and wanted in found, f"{language}: searching for {word} finds {found}")

    def switches(self):
        self.browser.open(f"{self.site}/en/deadlines.html#deadline_timer")
        self.browser.run("document.querySelector('a.language').click()")
        time.sleep(0.5)
        self.expect(self.browser.path() == "zh/deadlines.html"
                    and self.browser.run("return location.hash") == "#deadline_timer",
                    f"the other language of en/deadlines.html is {self.browser.path()}")
        if not self.browser.wait("return document.querySelector('doxygen-awesome-dark-mode-toggle') !== null"):
            print("no theme here: doxygen-awesome-css is not installed")
            return
        dark = "return document.documentElement.classList.contains('dark-mode')"
        before = self.browser.run(dark)
        self.browser.click("doxygen-awesome-dark-mode-toggle")
        self.expect(self.browser.run(dark) != before, "the theme does not change")
        self.browser.open(f"{self.site}/zh/stage1.html")
        self.expect(self.browser.wait(dark) != before, "the theme does not stay")
        self.browser.wait("return document.querySelector('doxygen-awesome-dark-mode-toggle') !== null")
        self.browser.click("doxygen-awesome-dark-mode-toggle")

    def narrow(self, language, pages):
        """Nothing but boxes that scroll by themselves is wider than the window."""
        self.browser.size(400, 900)
        for page in pages:
            self.browser.open(f"{self.site}/{language}/{page}.html")
            width, inside = self.browser.run(
                "const e = document.getElementById('doc-content') || document.documentElement;"
                "return [e.scrollWidth, e.clientWidth]")
            self.expect(width <= inside + 1, f"{language}/{page} is {width} wide on a phone of {inside}")
        self.browser.size(1400, 1000)

    def shots(self, directory, pages):
        for theme in ("light", "dark"):
            for width, height in ((1400, 1600), (400, 1600)):
                self.browser.size(width, height)
                for language in ("en", "zh"):
                    for page in pages:
                        self.browser.open(f"{self.site}/{language}/{page}.html")
                        self.browser.run("""document.documentElement.classList.remove('light-mode', 'dark-mode');
                            document.documentElement.classList.add(arguments[0] + '-mode')""", theme)
                        time.sleep(0.2)
                        self.browser.shot(directory / f"{page}.{language}.{theme}.{width}.png")


def main():
    if not shutil.which("chromedriver") or not (SITE / "index.html").exists():
        print("left out: there is no chromedriver, or the site has not been built")
        sys.exit(77)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=SITE))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    pages = sorted(path.stem for path in (ROOT / "docs/en").glob("*.md")) + ["article_programs"]
    browser = Browser()
    try:
        browser.size(1400, 1000)
        reader = Reader(browser, f"http://127.0.0.1:{server.server_address[1]}")
        for language in ("en", "zh"):
            reader.walk(language)
            reader.sketch(language)
            reader.timelines(language)
            reader.game(language)
            reader.search(language)
            reader.narrow(language, pages)
        reader.switches()
        errors = browser.errors()
        reader.expect(not errors, "errors in the console:\n  " + "\n  ".join(errors[:10]))
        if os.environ.get("SHOTS"):
            directory = Path(os.environ["SHOTS"])
            directory.mkdir(parents=True, exist_ok=True)
            reader.shots(directory, pages)
    finally:
        browser.quit()
        server.shutdown()
    print(f"{len(pages)} pages in two languages")
    sys.exit(1 if reader.broken else 0)


if __name__ == "__main__":
    main()
