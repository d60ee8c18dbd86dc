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
            figure.querySelector(".first").disabled = figure.querySelector(".back").disabled = current === 0;
            figure.querySelector(".forward").disabled = current === events.length - 1;
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

    window.addEventListener("DOMContentLoaded", pointAtThisPage);
    window.addEventListener("DOMContentLoaded",
        () => document.querySelectorAll("figure.timeline").forEach(stepThrough));
    window.addEventListener("DOMContentLoaded", letNamesBreak);
    window.addEventListener("hashchange", pointAtThisPage);
})();
