// The other language's version of this page has the same name; so have its sections.
(function () {
    "use strict";
    const name = location.pathname.split("/").pop();
    const page = !name || /^(dir_|README)/.test(name) ? "index.html" : name;

    function pointAtThisPage() {
        for (const link of document.querySelectorAll("a.language"))
            link.href = link.getAttribute("data-site") + page + location.hash;
    }

    // A long name in a table may be broken where it is joined.
    function letNamesBreak() {
        for (const link of document.querySelectorAll("td > a, td > code, td > p > a")) {
            const parts = link.textContent.split(/(?<=::|_|\.)(?=\w)|(?<=[a-z])(?=[A-Z])/);
            if (link.children.length > 0 || parts.length < 2) continue;
            link.textContent = "";
            parts.forEach((part, i) => {
                if (i > 0) link.append(document.createElement("wbr"));
                link.append(part);
            });
        }
    }

    // A timeline (docs/scripts/timeline.py): one event after the other, by buttons, keys or a click.
    function stepThrough(figure) {
        const events = [...figure.querySelectorAll("a.event")];
        const box = figure.querySelector(".scroll");
        const cursor = figure.querySelector(".cursor");
        const told = figure.querySelector(".told");
        let current = 0;

        function tell(event) {
            const name = document.createElement("b");
            name.textContent = event.dataset.name;
            const where = document.createElement("a");
            where.href = event.getAttribute("href");
            where.textContent = event.dataset.where;
            const code = document.createElement("code");
            code.textContent = event.dataset.code;
            told.replaceChildren(name, " ", event.dataset.what, document.createElement("br"), where, " ", code);
        }

        function bringIntoView(event) {
            const shape = event.querySelector("rect, path").getBoundingClientRect();
            const seen = box.getBoundingClientRect();
            const x = shape.left - seen.left + box.scrollLeft + (event.matches(".mark") ? shape.width / 2 : 0);
            cursor.setAttribute("x1", x);
            cursor.setAttribute("x2", x);
            cursor.setAttribute("visibility", "visible");
            if (shape.left < seen.left + 20 || shape.left > seen.right - 160)
                box.scrollLeft = x - seen.width / 3;
        }

        function show(index) {
            events[current].classList.remove("current");
            current = Math.min(Math.max(index, 0), events.length - 1);
            events[current].classList.add("current");
            figure.querySelector(".count").textContent = `${current + 1}/${events.length}`;
            // Not `disabled`: a button that has the focus would lose it, and the keys with it.
            for (const [name, ends] of [["first", 0], ["back", 0], ["forward", events.length - 1]])
                figure.querySelector(`.${name}`).setAttribute("aria-disabled", current === ends);
            tell(events[current]);
            bringIntoView(events[current]);
        }

        const steps = {ArrowRight: () => current + 1, ArrowLeft: () => current - 1, Home: () => 0,
            End: () => events.length - 1};
        figure.addEventListener("keydown", event => {
            if (!(event.key in steps) || event.altKey || event.ctrlKey || event.metaKey) return;
            event.preventDefault();
            show(steps[event.key]());
        });
        for (const [name, key] of [["first", "Home"], ["back", "ArrowLeft"], ["forward", "ArrowRight"]])
            figure.querySelector(`.${name}`).addEventListener("click", () => show(steps[key]()));
        events.forEach((event, i) => {
            event.setAttribute("tabindex", "-1"); // the arrow keys go there
            event.addEventListener("click", click => {
                if (click.ctrlKey || click.metaKey) return; // the source, in a tab of its own
                click.preventDefault();
                show(i);
            });
        });
        for (const hidden of figure.querySelectorAll("[hidden]")) hidden.hidden = false;
        show(0);
    }

    // Pages, sections, words of the glossary and Go's names, from found.js. Doxygen finds only symbols.
    function searchPages() {
        const field = document.getElementById("MSearchField");
        if (!field || !window.found) return;
        const list = document.createElement("ul");
        list.className = "found";
        document.body.append(list);
        function find() {
            const wanted = field.value.trim().toLowerCase();
            const hits = wanted.length < (/[^\x00-\x7f]/.test(wanted) ? 1 : 2) ? [] : window.found
                .filter(([words]) => words.toLowerCase().includes(wanted))
                .sort((a, b) => a[0].length - b[0].length).slice(0, 12);
            list.replaceChildren(...hits.map(([, title, where]) => {
                const link = document.createElement("a");
                link.href = where;
                link.textContent = title;
                const item = document.createElement("li");
                item.append(link);
                return item;
            }));
            const place = field.getBoundingClientRect();
            const symbols = document.getElementById("MSearchResultsWindow");
            const below = symbols && symbols.style.display === "block" ? symbols.getBoundingClientRect() : place;
            list.style.top = `${Math.max(place.bottom, below.bottom) + window.scrollY + 6}px`;
            list.style.left = `${Math.max(8, Math.min(place.left, window.innerWidth - 360))}px`;
            list.style.width = `${Math.min(340, window.innerWidth - 24)}px`;
        }
        for (const event of ["input", "keyup", "compositionend"])
            field.addEventListener(event, () => setTimeout(find, 150)); // after Doxygen's own results
        document.addEventListener("keydown", event => {
            if (event.key === "Escape") list.replaceChildren();
        });
        document.addEventListener("click", event => {
            if (!list.contains(event.target) && event.target !== field) list.replaceChildren();
        });
    }

    // Marks inside a piece of code are for those who cut it out, not for those who read it.
    function hideMarks() {
        if (document.querySelector(".fragment a[id^=l0]")) return; // a page of source
        for (const line of document.querySelectorAll("div.fragment div.line"))
            if (/^\s*\/\/ \[[^\]]+\]\s*$/.test(line.textContent)) line.remove();
    }

    // The switch for light and dark can be reached with a keyboard; an invisible checkbox need not be.
    function putInReach() {
        for (const toggle of document.querySelectorAll("doxygen-awesome-dark-mode-toggle")) {
            toggle.tabIndex = 0;
            toggle.setAttribute("role", "button");
            toggle.addEventListener("keydown", event => {
                if (event.key === "Enter" || event.key === " ") toggle.click();
            });
        }
        for (const box of document.querySelectorAll("#main-menu-state")) box.tabIndex = -1;
        for (const label of document.querySelectorAll("#nav-tree .label a")) label.title ||= label.textContent;
    }

    window.addEventListener("DOMContentLoaded", pointAtThisPage);
    window.addEventListener("DOMContentLoaded", searchPages);
    window.addEventListener("DOMContentLoaded", hideMarks);
    window.addEventListener("load", putInReach);
    window.addEventListener("DOMContentLoaded",
        () => document.querySelectorAll("figure.timeline").forEach(stepThrough));
    window.addEventListener("DOMContentLoaded", letNamesBreak);
    window.addEventListener("hashchange", pointAtThisPage);
})();
