// The board of the page "Lose the wake-up". A level is a graph of states that the explorer in tests/model has
// exported (tests/model/explore/graph.hpp says what is in it; docs/scripts/lose.py adds the header's text). The moment
// that is shown is in the address: #level3-1122 is level 3 after the steps of the first actor, the first, and so on.
(function () {
    "use strict";
    const given = JSON.parse(document.getElementById("lose_words").textContent);
    const words = given.words, ui = words.ui;
    const place = document.getElementById("lose");
    const levels = {};          // by number, once loaded
    let graph, number, way;     // way: a list of {row, who, told, violation}, the first entry is the start

    // ---- The graph ----------------------------------------------------------------------------------------

    const count = () => graph.actors.length;
    const here = () => way[way.length - 1];
    const standing = (row, who) => graph.standings[row[1 + who]];
    const next = (row, who) => row[1 + count() + who];
    const mayRun = (row, who) => next(row, who) !== -1;
    const isOver = moment => moment.violation !== undefined ||
        graph.actors.every((_, who) => !mayRun(moment.row, who));

    // How many steps it is from each state to the nearest violation; missing: there is none.
    function distances(level) {
        const actors = level.actors.length, from = level.states.map(() => []), found = new Map();
        let edge = [];
        level.states.forEach((row, i) => {
            const nexts = row.slice(1 + actors, 1 + 2 * actors);
            for (const to of nexts) if (to >= 0) from[to].push(i);
            if (row[1 + 2 * actors] >= 0) found.set(i, 0);
            else if (nexts.some(to => to < -1)) found.set(i, 1);
        });
        for (let steps = 0; steps === 0 || edge.length > 0; ++steps) {
            edge = [...found].filter(([, n]) => n === steps).map(([i]) => i);
            for (const i of edge)
                for (const before of from[i])
                    if (!found.has(before) || found.get(before) > steps + 1) found.set(before, steps + 1);
        }
        return found;
    }

    // The actor whose step is nearest to a violation, or -1.
    function hinted() {
        const steps = graph.distances ??= distances(graph);
        let best = -1, least = Infinity;
        graph.actors.forEach((_, who) => {
            const to = next(here().row, who);
            const n = to < -1 ? 0 : to >= 0 && steps.has(to) ? steps.get(to) + 1 : Infinity;
            if (n < least) [best, least] = [who, n];
        });
        return best;
    }

    // ---- Words ----------------------------------------------------------------------------------------------

    const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
    const actorName = who => words.actors[graph.actors[who]];

    function valueOf(text) {
        const life = n => n === "0" ? "" : `#${n}`;
        let found = /^(\w+) of life (\d+)$/.exec(text);
        if (found) return found[1] + life(found[2]);
        found = /^life (\d+)((?: \w+)*)$/.exec(text);
        if (!found) return text;
        const bits = Object.keys(words.bits).filter(bit => bit && found[2].includes(` ${bit}`));
        return (bits.map(bit => words.bits[bit]).join(", ") || words.bits[""]) + life(found[1]);
    }

    // The i-th value of a world: an atomic, or one of `also`.
    function sharedValue(i, value) {
        const name = graph.also[i - graph.atomics.length];
        if (name === undefined) return valueOf(graph.values[value]);
        return words.flags.includes(name) ? ui[value ? "yes" : "no"] : String(value);
    }

    function returned(row, who, after, what) {
        if (!after) return "";
        const past = standing(after, who);
        if (past.length > standing(row, who).length)
            return words.returns[`${what} ${graph.values[past[past.length - 1]]}`] || "";
        if (what !== "try") return "";
        const bytes = graph.atomics.length + graph.also.indexOf("bytes");
        const taken = graph.worlds[after[0]][bytes] < graph.worlds[row[0]][bytes];
        return words.returns[taken ? "try 1" : "try 2"];
    }

    // A step in words: lose.py writes the same into the page's lists.
    function tell(row, who, after) {
        const [what, atomic] = graph.labels[standing(row, who)[0]];
        if (atomic < 0) {
            const result = returned(row, who, after, what);
            return actorName(who) + ui.colon + words.steps[what] + (result ? ` → ${result}` : "");
        }
        const was = graph.worlds[row[0]][atomic], is = after ? graph.worlds[after[0]][atomic] : was;
        const kind = what === "compare and swap" && was === is ? "failed" : what;
        return actorName(who) + ui.colon + fill(words.operations[kind],
            {name: graph.atomics[atomic], was: valueOf(graph.values[was]), is: valueOf(graph.values[is])});
    }

    // What an actor is about to do.
    function upcoming(row, who) {
        const label = standing(row, who)[0];
        if (label < 0) return ui.done;
        const [what, atomic] = graph.labels[label];
        if (atomic >= 0) return fill(words.upcoming[what], {name: graph.atomics[atomic]});
        const kind = mayRun(row, who) ? "upcoming" : what === "awake" ? "parked" : "waits";
        return fill(ui[kind], {what: words.steps[what]});
    }

    // What it has learnt in this round: what a plain store replaces, the code does not see.
    function learnt(row, who) {
        const past = standing(row, who), said = [];
        for (let i = 1; i < past.length; i += 2) {
            const [what, atomic] = graph.labels[past[i]], value = graph.values[past[i + 1]];
            if (atomic < 0) {
                const result = words.returns[`${what} ${value}`];
                if (result) said.push(`${what} → ${result}`);
                if (what === "look at the clock") said.push(`${words.also.clock} = ${value}`);
            } else if (/load|exchange|compare/.test(what)) {
                said.push(`${graph.atomics[atomic]} = ${valueOf(value)}`);
            }
        }
        return said;
    }

    // ---- The board ------------------------------------------------------------------------------------------

    function make(tag, properties, ...children) {
        const element = document.createElement(tag);
        for (const [name, value] of Object.entries(properties || {}))
            if (name in element) element[name] = value; else element.setAttribute(name, value);
        element.append(...children);
        return element;
    }

    // The page's own text of a level: its title, the sentence before, the explanation after.
    function textOf(level) {
        const heading = document.getElementById(`lose_${level}`).closest("h3, h2");
        const before = heading.nextElementSibling;
        const answer = before.nextElementSibling;
        const title = heading.textContent.trim();
        if (!answer.matches("details")) // the real code: how much has been tried
            return {title, before: `${before.innerHTML} ${answer.innerHTML}`, after: ""};
        return {title, before: before.innerHTML, after: answer.querySelector("p:last-of-type").innerHTML};
    }

    const board = {};

    function build() {
        board.select = make("select", {});
        for (let i = 1; i <= given.levels; ++i)
            board.select.append(make("option", {value: i}));
        board.select.addEventListener("change", () => start(Number(board.select.value), []));
        board.back = make("button", {type: "button", textContent: "←", title: ui.before});
        board.forward = make("button", {type: "button", textContent: "→", title: ui.after});
        for (const [button, by] of [[board.back, -1], [board.forward, 1]]) {
            button.setAttribute("aria-label", button.title);
            button.addEventListener("click", () => start(number + by, []));
        }
        board.before = make("p", {className: "before"});
        board.picks = make("div", {className: "picks", role: "group"});
        board.picks.setAttribute("aria-label", ui.whose);
        board.told = make("p", {className: "told"});
        board.told.setAttribute("aria-live", "polite");
        board.verdict = make("div", {className: "verdict", hidden: true});
        board.shared = make("dl", {className: "shared"});
        board.actors = make("div", {className: "actors"});
        board.steps = make("ol", {});
        board.history = make("details", {className: "history"},
            make("summary", {textContent: ui.history}), board.steps);
        place.className = "lose";
        place.append(
            make("div", {className: "level"}, make("label", {}, ui.level, " ", board.select), board.back, board.forward),
            board.before, board.picks, board.told, board.verdict, board.shared, board.actors, board.history,
            make("p", {className: "keys", textContent: ui.keys}));
    }

    // What differs between any two states of the level is shown.
    function changing() {
        return [...graph.atomics, ...graph.also].map((name, i) => i)
            .filter(i => graph.worlds.some(world => world[i] !== graph.worlds[0][i]));
    }

    function buildLevel() {
        const text = textOf(number);
        board.before.innerHTML = text.before;
        board.after = text.after;
        board.back.disabled = number === 1;
        board.forward.disabled = number === given.levels;
        board.select.value = number;
        [...board.select.options].forEach((option, i) => {
            option.textContent = (isSolved(i + 1) ? "✓ " : "") + textOf(i + 1).title;
        });
        board.shown = changing();
        board.shared.replaceChildren(...board.shown.flatMap(i => {
            const name = i < graph.atomics.length ? graph.atomics[i] : words.also[graph.also[i - graph.atomics.length]];
            return [make("div", {}, make("dt", {textContent: name}), make("dd", {}))];
        }));
        board.buttons = graph.actors.map((_, who) => {
            const button = make("button", {type: "button", className: "pick"},
                make("kbd", {textContent: who + 1}), " ", actorName(who));
            button.addEventListener("click", () => pick(who));
            return button;
        });
        const control = (name, key, what) => {
            const button = make("button", {type: "button", className: name}, make("kbd", {textContent: key}), " ",
                ui[name]);
            button.addEventListener("click", what);
            return button;
        };
        board.undo = control("undo", "u", undo);
        board.restart = control("restart", "r", restart);
        board.hint = control("hint", "h", hint);
        board.picks.replaceChildren(...board.buttons, make("span", {className: "gap"}), board.undo, board.restart,
            board.hint);
        board.columns = graph.actors.map((_, who) => {
            const column = {next: make("p", {className: "next"}), read: make("p", {className: "read"})};
            column.box = graph.shown[who] ? make("div", {className: "code", tabIndex: 0}) : null;
            if (column.box) column.box.setAttribute("aria-label", actorName(who));
            column.root = make("section", {className: column.box ? "actor" : "actor bare"},
                make("h4", {}, make("kbd", {textContent: who + 1}), " ", actorName(who)), column.next);
            if (column.box) column.root.append(column.box);
            column.root.append(column.read);
            return column;
        });
        board.actors.replaceChildren(...board.columns.map(column => column.root));
        board.text = "";
    }

    function functionText(name, lit, isCall) {
        const rows = graph.code[name].map(([line, real, text, mark]) => {
            const indent = /^ */.exec(text)[0].length;
            const [code, comment] = /^(.*?)(\/\/.*)?$/.exec(text.trim()).slice(1);
            // It may be broken behind these, where a column is narrow.
            const parts = code.split(/(?<=::|[(.])(?=\w)/).flatMap((part, i) => i ? [make("wbr"), part] : [part]);
            const row = make("span", {className: "line"}, make("span", {}, ...parts));
            if (comment) row.append(make("i", {textContent: comment}));
            row.style.setProperty("--indent", indent);
            if (real) row.dataset.line = real;
            if (mark) row.classList.add(mark === "-" ? "gone" : "new");
            if (line && line === lit) {
                row.classList.add(isCall ? "calls" : "lit");
                if (!isCall) row.setAttribute("aria-current", "step");
            }
            return row;
        });
        return make("pre", {}, ...rows);
    }

    function functionAt(line) {
        return Object.keys(graph.code).find(name => graph.code[name].some(([at]) => at === line));
    }

    function showActor(who) {
        const row = here().row, column = board.columns[who];
        const stack = graph.stacks[row[1 + who]];
        column.next.textContent = upcoming(row, who);
        column.root.classList.toggle("waits", !mayRun(row, who));
        column.root.classList.toggle("last", here().who === who);
        column.read.textContent = learnt(row, who).join(" · ");
        if (!column.box) return;
        const frames = stack.length ? [...stack].reverse() : [0]; // the innermost first
        column.box.replaceChildren(...frames.map((line, depth) =>
            functionText(line ? functionAt(line) : graph.shown[who], line, depth > 0)));
        scrollToLit(column.box);
    }

    function scrollToLit(box) {
        const lit = box.querySelector(".lit");
        box.scrollTop = lit ? lit.offsetTop - box.clientHeight / 2 : 0;
    }

    function show() {
        const {row} = here(), before = way.length > 1 ? way[way.length - 2].row : row;
        [...board.shared.children].forEach((chip, n) => {
            const i = board.shown[n];
            const text = world => sharedValue(i, graph.worlds[world][i]);
            chip.lastChild.textContent = text(row[0]);
            chip.classList.toggle("changed", text(row[0]) !== text(before[0]));
        });
        board.buttons.forEach((button, who) =>
            button.setAttribute("aria-disabled", isOver(here()) || !mayRun(row, who)));
        for (const button of [board.undo, board.restart]) button.setAttribute("aria-disabled", way.length === 1);
        graph.actors.forEach((_, who) => showActor(who));
        board.steps.replaceChildren(...way.slice(1).map(moment => make("li", {textContent: moment.told})));
        board.told.textContent = board.text || (way.length > 1 ? here().told : ui.begin);
        showVerdict();
        clearTimeout(board.address);
        board.address = setTimeout(showAddress, 100);
    }

    // Not at every step: a browser ignores a page that changes its address too often.
    function showAddress() {
        const hash = `#level${number}` + (way.length > 1 ? "-" + way.slice(1).map(m => m.who + 1).join("") : "");
        history.replaceState(null, "", hash);
        for (const link of document.querySelectorAll("a.language"))
            link.href = link.getAttribute("data-site") + "lose.html" + hash;
    }

    function showVerdict() {
        const lost = here().violation, over = isOver(here());
        board.verdict.hidden = !over;
        board.verdict.classList.toggle("won", lost !== undefined);
        if (!over) return;
        if (lost === undefined) {
            board.verdict.replaceChildren(make("p", {textContent: ui.quiet}));
            board.told.append(make("span", {className: "heard", textContent: ". " + ui.quiet}));
            return;
        }
        const said = fill(ui.lost, {what: words.violations[graph.violations[lost]], n: way.length - 1});
        board.verdict.replaceChildren(make("p", {}, make("b", {textContent: said})),
            make("p", {innerHTML: board.after}));
        if (number < given.levels) {
            const forward = make("button", {type: "button", textContent: ui.after + " →"});
            forward.addEventListener("click", () => start(number + 1, []));
            board.verdict.append(forward);
        }
        board.told.append(make("span", {className: "heard", textContent: ". " + said}));
        solved(number);
    }

    // ---- What the reader does -------------------------------------------------------------------------------

    function advance(who) {
        const {row} = here();
        if (isOver(here()) || who >= count() || !mayRun(row, who)) return false;
        const to = next(row, who);
        const after = to >= 0 ? graph.states[to] : undefined;
        const end = after ? after[1 + 2 * count()] : -2 - to;
        way.push({row: after || row, who, told: tell(row, who, after), violation: end >= 0 ? end : undefined});
        return true;
    }

    function pick(who) {
        board.text = "";
        if (advance(who)) {
            show();
            bringIntoView(board.columns[who].root);
        } else if (who < count()) {
            board.told.textContent = fill(ui.cannot, {who: actorName(who)});
        }
    }

    function bringIntoView(column) {
        const seen = board.actors.getBoundingClientRect(), {left, right} = column.getBoundingClientRect();
        if (left < seen.left || right > seen.right) board.actors.scrollLeft += left - seen.left;
    }

    function undo() {
        if (way.length === 1) return;
        const {told} = way.pop();
        board.text = fill(ui.undone, {what: told});
        show();
    }

    function restart() {
        way.length = 1;
        board.text = "";
        show();
    }

    function hint() {
        if (isOver(here())) return;
        const who = hinted();
        board.told.textContent = who < 0 ? (graph.violations.length > 0 ? ui.hopeless : ui.never)
            : fill(ui.hinted, {who: actorName(who), key: who + 1});
    }

    const keys = {u: undo, r: restart, h: hint};
    function press(event) {
        if (!graph || event.altKey || event.ctrlKey || event.metaKey) return;
        if (event.target !== document.body && !place.contains(event.target)) return;
        if (event.target.matches("select, input, textarea")) return;
        if (/^[1-8]$/.test(event.key)) pick(Number(event.key) - 1);
        else if (event.key in keys) keys[event.key]();
        else return;
        event.preventDefault();
    }

    // ---- Levels ---------------------------------------------------------------------------------------------

    function isSolved(level) {
        try { return (localStorage.getItem("lose") || "").split(" ").includes(String(level)); } catch { return false; }
    }

    function solved(level) {
        if (isSolved(level)) return;
        try { localStorage.setItem("lose", `${localStorage.getItem("lose") || ""} ${level}`); } catch { /* not kept */ }
        board.select.options[level - 1].textContent = "✓ " + textOf(level).title;
    }

    window.loseLevel = (level, data) => { levels[level] = data; };

    function start(level, steps) {
        if (!levels[level]) {
            const script = make("script", {src: `../lose/${level}.js`});
            script.addEventListener("load", () => start(level, steps));
            script.addEventListener("error", () => { board.told.textContent = ui.missing; });
            document.head.append(script);
            return;
        }
        clearTimeout(board.address);
        number = level;
        graph = levels[level];
        way = [{row: graph.states[0]}];
        buildLevel();
        steps.every(advance);
        show();
    }

    function fromAddress() {
        const found = /^#level(\d+)(?:-([1-8]*))?$/.exec(location.hash);
        const level = found ? Number(found[1]) : number || 1;
        if (!found && graph || level < 1 || level > given.levels) return;
        start(level, [...(found && found[2] || "")].map(digit => Number(digit) - 1));
    }

    window.addEventListener("DOMContentLoaded", () => {
        build();
        new ResizeObserver(() => place.querySelectorAll(".code").forEach(scrollToLit)).observe(place);
        fromAddress();
    });
    window.addEventListener("hashchange", fromAddress);
    document.addEventListener("keydown", press);
})();
