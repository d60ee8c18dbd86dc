// Compares the model of docs/theme/lab_model.js with the kernel's epoll.
//
//   compare.js random DRIVER COUNT [SEED]   COUNT random scripts, the same for the same seed
//   compare.js questions DRIVER             the scripts of docs/lab, which the page shows with their answers
//   compare.js mistakes DRIVER              each of the mistakes below, made in the model, is found
//
// What differs is printed as the shortest script that still differs, and ends with status 1. Left out of
// random scripts by one rule: no operation that wakes a thread and then changes something more, as when a client
// closes with bytes unread. The woken thread may look before that change or after it. The model says which
// operations these are (`ambiguous`), and the page says so to its reader.
"use strict";
const {spawnSync} = require("child_process");
const fs = require("fs");
const path = require("path");

const root = path.join(__dirname, "../..");
const modelFile = path.join(root, "docs/theme/lab_model.js");
const source = fs.readFileSync(modelFile, "utf8");

// A model made of a text, so that a mistake can be made in it.
function modelOf(text) {
    const module = {exports: {}};
    new Function("module", text)(module);
    return module.exports;
}

function run(driver, args, input) {
    const done = spawnSync(driver, args, {input, encoding: "utf8", maxBuffer: 1 << 28});
    if (done.status !== 0) throw new Error(`${driver} fails: ${done.stderr}`);
    return done.stdout;
}

function limitsOf(driver) {
    const [capacity, writable] = run(driver, ["--limits"]).split(" ").map(Number);
    return {capacity, writable};
}

// What epoll answers: for each script its lines.
function answers(driver, scripts) {
    if (scripts.length === 0) return [];
    const output = run(driver, [], scripts.map(script => script.join("\n") + "\n").join("\n"));
    return output.split("\n\n").slice(0, -1).map(text => text.split("\n"));
}

// The model's answers, or null where a rule leaves the script out.
function predicted(model, script, limits) {
    const lab = new model.Lab(limits), lines = [];
    for (const operation of script) {
        const step = lab.apply(operation);
        if (step.ambiguous || step.result === "busy") return null;
        lines.push(model.line(operation, step));
    }
    return lines;
}

// ---- Random scripts -----------------------------------------------------------------------------

function randomNumbers(seed) { // mulberry32: the same numbers for the same seed, everywhere
    let state = seed >>> 0;
    return () => {
        state = (state + 0x6d2b79f5) >>> 0;
        let mixed = Math.imul(state ^ (state >>> 15), state | 1);
        mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
        return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
    };
}

function randomScript(model, seed, limits) {
    const random = randomNumbers(seed);
    const below = count => Math.floor(random() * count);
    const pick = list => list[below(list.length)];
    const few = random() < 0.4; // one connection and a long conversation, or several
    const threads = random() < 0.5;
    const length = 6 + below(40);
    const script = ["pair"];
    let lab = new model.Lab(limits);
    lab.apply("pair");

    const events = () => ["IN", "OUT", "RDHUP", "ET", "ONESHOT"].filter((name, i) =>
        random() < [0.85, 0.45, 0.4, 0.5, 0.2][i]).join(" ");
    const number = () => random() < 0.96 && lab.numbers.size > 0 ? pick([...lab.numbers.keys()]) : 4 + below(6);
    const client = () => pick([...lab.connections.keys()]);
    const bytes = () => pick([20, 40, 60, 100]);
    const making = {
        "wait": [22, () => `wait ${pick([1, 2, 8, 8, 8])}`],
        "sends": [16, () => `${client()} sends ${bytes()}`],
        "read": [12, () => `read ${number()} ${bytes()}`],
        "write": [12, () => `write ${number()} ${bytes()}`],
        "reads": [9, () => `${client()} reads ${bytes()}`],
        "ADD": [14, () => `ADD ${number()} ${events()}`.trim()],
        "MOD": [8, () => `MOD ${number()} ${events()}`.trim()],
        "DEL": [2, () => `DEL ${number()}`],
        "thread": [threads ? 10 : 0, () => `${pick(["T1", "T2"])} waits ${pick([1, 8])}`],
        "dup": [3, () => `dup ${number()}`],
        "close": [3, () => `close ${number()}`],
        "shuts": [2, () => `${client()} shuts`],
        "closes": [2, () => `${client()} closes`],
        "shutdown": [1.5, () => `shutdown ${number()}`],
        "pair": [few ? 0 : 3, () => "pair"],
        "listen": [few ? 0 : 2, () => "listen"],
        "connect": [few ? 0 : 5, () => "connect"],
        "accept": [few ? 0 : 5, () => `accept ${number()}`],
    };
    const total = Object.values(making).reduce((sum, [weight]) => sum + weight, 0);
    while (script.length < length) {
        let at = random() * total;
        const [, make] = Object.values(making).find(([weight]) => (at -= weight) < 0);
        const operation = make();
        const {result, ambiguous} = lab.apply(operation);
        if (!ambiguous && result !== "busy" && lab.connections.size <= 8) {
            script.push(operation);
            continue;
        }
        lab = new model.Lab(limits);
        script.forEach(each => lab.apply(each));
    }
    return script;
}

// ---- Comparing ----------------------------------------------------------------------------------

const differ = (a, b) => a.length !== b.length || a.some((line, i) => line !== b[i]);

// The shortest script that still differs: leaves out pieces as long as one can be left out.
function shrink(model, driver, script, limits) {
    const fails = candidate => {
        const lines = predicted(model, candidate, limits);
        return candidate.length > 0 && lines !== null && differ(lines, answers(driver, [candidate])[0]);
    };
    for (let size = Math.ceil(script.length / 2); size > 0;) {
        let shorter = null;
        for (let i = 0; i < script.length && !shorter; i += size) {
            const candidate = [...script.slice(0, i), ...script.slice(i + size)];
            if (fails(candidate)) shorter = candidate;
        }
        if (shorter) script = shorter;
        else size = size > 1 ? Math.ceil(size / 2) : 0;
    }
    return script;
}

function show(model, driver, script, limits) {
    const ours = predicted(model, script, limits), theirs = answers(driver, [script])[0];
    return ours.map((line, i) => line === theirs[i] ? `  ${line}` : `- ${line}   (the model)\n+ ${theirs[i]}   (epoll)`)
        .join("\n");
}

// The first of `count` random scripts that differs, or null.
function firstDifference(model, driver, count, seed, limits) {
    const batch = 500;
    for (let done = 0; done < count; done += batch) {
        const scripts = Array.from({length: Math.min(batch, count - done)},
            (_, i) => randomScript(model, seed + done + i, limits));
        const theirs = answers(driver, scripts);
        const i = scripts.findIndex((script, i) => differ(predicted(model, script, limits), theirs[i]));
        if (i >= 0) return {seed: seed + done + i, script: scripts[i]};
    }
    return null;
}

// ---- The three commands -------------------------------------------------------------------------

function compareRandom(driver, count, seed) {
    const model = modelOf(source), limits = limitsOf(driver);
    const found = firstDifference(model, driver, count, seed, limits);
    if (!found) {
        console.log(`${count} scripts from seed ${seed}, ${limits.capacity} messages in a send buffer: the same answers`);
        return true;
    }
    console.log(`BROKEN: the script of seed ${found.seed} differs; the shortest one that does:`);
    console.log(show(model, driver, shrink(model, driver, found.script, limits), limits));
    return false;
}

function compareQuestions(driver) {
    const directory = path.join(root, "docs/lab"), model = modelOf(source), limits = limitsOf(driver);
    const names = fs.readdirSync(directory).sort();
    let fine = names.length > 0;
    for (const name of names) {
        const shown = fs.readFileSync(path.join(directory, name), "utf8").trimEnd().split("\n");
        const script = shown.map(line => line.split(" = ")[0]);
        const versions = {"docs/lab": shown, "the model": model.transcript(script), "epoll": answers(driver, [script])[0]};
        // The page's numbers are this kernel's only if it counts as much memory for a message.
        if (JSON.stringify(limits) !== JSON.stringify(model.LIMITS)) {
            versions["the model"] = model.transcript(script, limits);
            if (script.some(line => line.includes("write"))) delete versions["docs/lab"];
        }
        for (const [version, lines] of Object.entries(versions)) {
            if (!differ(lines, versions.epoll)) continue;
            fine = false;
            console.log(`BROKEN: docs/lab/${name}: ${version} says\n${lines.join("\n")}\nbut epoll\n${versions.epoll.join("\n")}`);
        }
    }
    console.log(`${names.length} questions`);
    return fine;
}

// Each is a mistake that somebody might believe. A name, and what it changes in the model.
const MISTAKES = [
    ["level-triggered is reported once", "else if (!entry.edge) this.ready.push(entry);", ""],
    ["edge-triggered is reported as long as bytes are there", "else if (!entry.edge)", "else"],
    ["a level-triggered entry stays in front", "else if (!entry.edge) this.ready.push(entry);",
        "else if (!entry.edge) this.ready.unshift(entry);"],
    ["what did not fit comes last", "[...scanned, ...this.ready]", "[...this.ready, ...scanned]"],
    ["one-shot is never disabled", "if (entry.oneshot) entry.disabled = true;", "if (entry.oneshot) {}"],
    ["MOD does not look", "        this.setEvents(entry, words);\n        this.check(entry);\n        return",
        "        this.setEvents(entry, words);\n        return"],
    ["ADD does not look", "file.watchers.unshift(entry);\n            this.check(entry);", "file.watchers.unshift(entry);"],
    ["only what was asked for is reported", "[...words.filter(each => READY.includes(each)), \"HUP\", \"ERR\"]",
        "words.filter(each => READY.includes(each))"],
    ["closing a number removes its entry", "if (entry) this.note(\"stays\", entry);", "if (entry) this.forget(entry);"],
    ["a closed client leaves no unread bytes", "            for (const message of socket.received.splice(0)) this.free(message);\n",
        "            for (const message of socket.received.splice(0)) this.free(message);\n            if (peer) peer.received = [];\n"],
    ["the end of the stream is no event for OUT", "socket.peer.receiveShut = true;\n                this.wake(socket.peer, \"\");",
        "socket.peer.receiveShut = true;\n                this.wake(socket.peer, \"IN\");"],
    ["an error stays", "socket.reset = false; //", "//"],
    ["OUT is reported only behind a full buffer", "if (this.isWritable(message.from))",
        "if (message.from.unread === this.limits.capacity - 1)"],
    ["the first thread that waits is woken first", "const waiter = this.blocked.pop();", "const waiter = this.blocked.shift();"],
    ["one wake-up wakes one thread at most", "if (this.ready.length > 0) this.wakeThread();", ""],
    ["the entry added first is called first", "file.watchers.unshift(entry)", "file.watchers.push(entry)"],
    ["an entry belongs to a number alone", "each.number === number && each.file === file", "each.number === number"],
];

function findMistakes(driver, count) {
    const limits = limitsOf(driver), right = modelOf(source);
    const scripts = Array.from({length: count}, (_, i) => randomScript(right, 1 + i, limits));
    const theirs = answers(driver, scripts);
    const flat = text => text.split("\n").map(line => line.trim()).join("\n");
    let fine = true;
    for (const [name, old, replacement] of MISTAKES) {
        if (!flat(source).includes(flat(old))) {
            fine = false;
            console.log(`BROKEN: the model has no ${JSON.stringify(old)} to make a mistake of`);
            continue;
        }
        const model = modelOf(flat(source).replace(flat(old), replacement));
        const noticed = scripts.filter((script, i) => {
            const lines = predicted(model, script, limits);
            return lines !== null && differ(lines, theirs[i]);
        }).length;
        if (noticed > 0) continue;
        fine = false;
        console.log(`BROKEN: ${count} random scripts do not notice the mistake: ${name}`);
    }
    console.log(`${MISTAKES.length} mistakes in ${count} random scripts`);
    return fine;
}

const [command, driver, count, seed] = process.argv.slice(2);
const commands = {
    random: () => compareRandom(driver, Number(count), Number(seed || 1)),
    questions: () => compareQuestions(driver),
    mistakes: () => findMistakes(driver, 300),
};
if (!commands[command] || !driver) {
    console.error("compare.js random DRIVER COUNT [SEED] | questions DRIVER | mistakes DRIVER");
    process.exit(2);
}
process.exit(commands[command]() ? 0 : 1);
