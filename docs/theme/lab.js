// The page "The epoll laboratory": buttons that carry out operations of lab_model.js, and a picture of
// what they have done. The list of operations is the whole state: it stands in the address, undo takes
// its last one away, and everything shown is made from it. The questions are read from the page itself,
// where they stand with their answers for readers without scripts.
(() => {
    "use strict";
    const {Lab, line, join, LIMITS, READY, THREADS} = epollLab;
    const SIZES = [20, 40, 60, 100];
    const BYTES_PER_BOX = 10;
    const LONGEST = 200; // operations in an address

    const WORDS = {
        en: {
            lab: "The epoll laboratory", comma: ", ", space: " ",
            question: "Question", free: "none: try for yourself", play: "Play it", next: "Next step", end: "To the answer",
            undo: "Undo", restart: "Start again", step: (at, all) => `step ${at} of ${all}`,
            keys: "Keys: → next step, ← undo, Home start again, w epoll_wait",
            make: "New sockets", client: "The client of", program: "The program, number", ctl: "epoll_ctl for the number",
            waiting: "epoll_wait", bytes: "bytes", max: "at most",
            sends: "sends", reads: "reads", shuts: "shuts down", closes: "closes",
            level: "level-triggered", edge: "edge-triggered (ET)", oneshot: "ONESHOT",
            wait: "epoll_wait, timeout 0", thread: name => `thread ${name} waits`,
            sockets: "Sockets", connection: name => `Connection ${name}`, listener: "Listener", numbers: "number",
            noNumber: "no number: closed", notAccepted: "not accepted yet",
            received: "to be read", sent: "unread by the client", empty: "empty", streamEnd: "end of stream",
            count: n => n === 1 ? "1 byte" : `${n} bytes`, full: (n, all) => `${n} of ${all} messages`,
            readyNow: "ready now", nothing: "nothing", clientIs: {open: "client: open",
                shut: "client: has shut down sending", closed: "client: has closed"},
            backlog: "waiting to be accepted",
            set: "Interest set", columns: ["number", "socket", "events", "mode"], noEntries: "empty",
            ofListener: "listener", modeLevel: "level", modeEdge: "edge", modeOneshot: "one-shot", disabled: "disabled",
            closedNumber: "closed", otherSocket: "now another socket's",
            list: "Ready list, the front first", listEmpty: "empty", last: "The last epoll_wait", none: "not called yet",
            blocked: name => `${name} is blocked`, by: name => name ? ` (thread ${name})` : "",
            log: "What happened", noLog: "Nothing yet. Choose a question, or make a socket.",
            answer: "Answer", more: "The code and its test",
            say: {
                sent: (w, n, left) => `${n} bytes arrive; ${left} wait to be read.`,
                clientFull: name => `The client's send buffer is full, because the program does not read: EAGAIN.`,
                broken: "The other end does not read any more: EPIPE.",
                read: (n, left) => `${n} bytes are read, ${left} are left.`,
                drained: "Nothing is left: EAGAIN. Now an edge-triggered program may wait.",
                clientDrained: "Nothing is there for the client: EAGAIN.",
                end: "0: the end of the stream.", reset: "ECONNRESET. The error is reported once.",
                written: (n, unread) => `${n} bytes are written. Messages that the client has not read: ${unread}.`,
                full: "The send buffer is full: EAGAIN.",
                shut: "The end of the stream is announced behind the bytes.",
                clientClosed: "The client closes its socket.",
                shutdown: "The program will send no more. The callback of its own socket runs, too.",
                dup: n => `Number ${n} refers to the same socket.`, closed: "The number is free.",
                made: n => `Number ${n}, the lowest that is free.`, connected: n => `Client ${n} connects.`,
                accepted: n => `The next connection has number ${n}.`, noneWaits: "No client waits: EAGAIN ends the loop.",
                EBADF: "EBADF: the number is not open.", EEXIST: "EEXIST: it is in the set already.",
                ENOENT: "ENOENT: this socket is not in the set under this number.", EINVAL: "EINVAL: not for this kind of socket.",
                ENOTCONN: "ENOTCONN: not connected.", ECONNREFUSED: "ECONNREFUSED: no socket listens.",
                nothing: "Nothing is ready: with a timeout, it would wait now.", blocks: name => `Thread ${name} is blocked in epoll_wait.`,
            },
            notes: {
                "listed": ({entry, detail}) => `The callback${detail ? ` (${detail})` : ""} puts ${entry} on the ready list.`,
                "listed already": ({entry}) => `${entry} is on the ready list already.`,
                "not watched": ({entry, detail}) => `${entry} does not ask for ${detail}: the ready list stays as it is.`,
                "disabled": ({entry}) => `${entry} is disabled by ONESHOT: the ready list stays as it is.`,
                "ready at once": ({entry}) => `epoll_ctl checks: ${entry} is ready now and goes onto the ready list.`,
                "not ready": ({entry}) => `epoll_ctl checks: ${entry} has nothing of that now.`,
                "removed": ({entry}) => `${entry} leaves the interest set.`,
                "removed, listed": ({entry}) => `${entry} leaves the interest set and the ready list.`,
                "stays": ({entry}) => `${entry} stays in the interest set: another number refers to the same socket.`,
                "wakes": ({detail}) => `Thread ${detail} is woken.`,
                "waits again": ({detail}) => `Thread ${detail} finds nothing and waits again.`,
                "dropped": ({entry}) => `${entry} was on the ready list, but nothing of it is ready: it is taken off.`,
                "reported, stays": ({entry, detail}) => `${entry} is reported with ${detail}. Level-triggered: it goes to the end of the ready list.`,
                "reported, gone": ({entry, detail}) => `${entry} is reported with ${detail}. Edge-triggered: it leaves the ready list.`,
                "reported, disabled": ({entry, detail}) => `${entry} is reported with ${detail}. ONESHOT: it is disabled until a MOD.`,
            },
            entry: (number, name) => `${number} (${name})`,
            ambiguous: "The woken thread may look before all of this has happened; then it gets other events. This is not compared with the kernel.",
        },
        zh: {
            lab: "epoll 实验室", comma: "，", space: "",
            question: "问题", free: "不选，自己试", play: "在实验室里执行", next: "下一步", end: "直接看答案",
            undo: "撤销", restart: "重新开始", step: (at, all) => `第 ${at} 步，共 ${all} 步`,
            keys: "按键：→ 下一步，← 撤销，Home 重新开始，w 调用 epoll_wait",
            make: "新建套接字", client: "客户端", program: "程序，描述符", ctl: "epoll_ctl，描述符",
            waiting: "epoll_wait", bytes: "字节", max: "最多",
            sends: "发送", reads: "读取", shuts: "关闭发送方向", closes: "关闭连接",
            level: "水平触发", edge: "边缘触发（ET）", oneshot: "ONESHOT",
            wait: "epoll_wait，超时为 0", thread: name => `线程 ${name} 等待`,
            sockets: "套接字", connection: name => `连接 ${name}`, listener: "监听套接字", numbers: "描述符",
            noNumber: "没有描述符：已关闭", notAccepted: "尚未 accept",
            received: "待读取", sent: "客户端未读", empty: "空", streamEnd: "流末尾",
            count: n => `${n} 字节`, full: (n, all) => `${n} 条消息，上限 ${all} 条`,
            readyNow: "此刻就绪", nothing: "无", clientIs: {open: "客户端：打开",
                shut: "客户端：已关闭发送方向", closed: "客户端：已关闭"},
            backlog: "等待 accept",
            set: "关注集合", columns: ["描述符", "套接字", "事件", "模式"], noEntries: "空",
            ofListener: "监听", modeLevel: "水平触发", modeEdge: "边缘触发", modeOneshot: "一次性", disabled: "已停用",
            closedNumber: "已关闭", otherSocket: "已属于另一个套接字",
            list: "就绪列表（前端在先）", listEmpty: "空", last: "最近一次 epoll_wait", none: "还没有调用",
            blocked: name => `${name} 阻塞中`, by: name => name ? `（线程 ${name}）` : "",
            log: "发生了什么", noLog: "还没有操作。选一个问题，或者新建一个套接字。",
            answer: "答案", more: "代码与测试",
            say: {
                sent: (w, n, left) => `到达 ${n} 字节，共有 ${left} 字节待读取。`,
                clientFull: () => `程序一直不读，客户端的发送缓冲区已满：EAGAIN。`,
                broken: "对端不再读取：EPIPE。",
                read: (n, left) => `读走 ${n} 字节，还剩 ${left} 字节。`,
                drained: "没有剩余：EAGAIN。边缘触发的程序到这时才可以等待。",
                clientDrained: "没有给客户端的数据：EAGAIN。",
                end: "返回 0：流已结束。", reset: "ECONNRESET。这个错误只报告一次。",
                written: (n, unread) => `写入 ${n} 字节，客户端有 ${unread} 条消息未读。`,
                full: "发送缓冲区已满：EAGAIN。",
                shut: "流的末尾排在已有数据之后。",
                clientClosed: "客户端关闭了套接字。",
                shutdown: "程序不再发送。这也会触发套接字自己的回调。",
                dup: n => `描述符 ${n} 指向同一个套接字。`, closed: "这个描述符已空出。",
                made: n => `得到描述符 ${n}：最小的空闲号。`, connected: n => `客户端 ${n} 连接。`,
                accepted: n => `取出下一个连接，描述符是 ${n}。`, noneWaits: "没有等待的连接：得到 EAGAIN，循环结束。",
                EBADF: "EBADF：描述符没有打开。", EEXIST: "EEXIST：已经在集合里。",
                ENOENT: "ENOENT：这个套接字没有以这个描述符注册。", EINVAL: "EINVAL：这种套接字不支持该操作。",
                ENOTCONN: "ENOTCONN：没有连接。", ECONNREFUSED: "ECONNREFUSED：没有监听套接字。",
                nothing: "没有就绪的描述符：如果设置了超时，现在就会阻塞。", blocks: name => `线程 ${name} 阻塞在 epoll_wait 中。`,
            },
            notes: {
                "listed": ({entry, detail}) => `回调${detail ? `（${detail}）` : ""}把 ${entry} 放进就绪列表。`,
                "listed already": ({entry}) => `${entry} 已经在就绪列表里。`,
                "not watched": ({entry, detail}) => `${entry} 没有关注 ${detail}，就绪列表不变。`,
                "disabled": ({entry}) => `${entry} 已被 ONESHOT 停用，就绪列表不变。`,
                "ready at once": ({entry}) => `epoll_ctl 立即检查：${entry} 此刻就绪，放进就绪列表。`,
                "not ready": ({entry}) => `epoll_ctl 立即检查：${entry} 此刻没有所关注的事件。`,
                "removed": ({entry}) => `${entry} 移出关注集合。`,
                "removed, listed": ({entry}) => `${entry} 移出关注集合和就绪列表。`,
                "stays": ({entry}) => `${entry} 仍留在关注集合里，因为还有另一个描述符指向同一个套接字。`,
                "wakes": ({detail}) => `唤醒线程 ${detail}。`,
                "waits again": ({detail}) => `线程 ${detail} 没有取到事件，继续等待。`,
                "dropped": ({entry}) => `${entry} 在就绪列表里，但已经没有就绪的事件，因此被移出列表。`,
                "reported, stays": ({entry, detail}) => `报告 ${entry}：${detail}。水平触发，所以放回就绪列表末尾。`,
                "reported, gone": ({entry, detail}) => `报告 ${entry}：${detail}。边缘触发，所以离开就绪列表。`,
                "reported, disabled": ({entry, detail}) => `报告 ${entry}：${detail}。ONESHOT：停用，直到下一次 MOD。`,
            },
            entry: (number, name) => `${number}（${name}）`,
            ambiguous: "被唤醒的线程也可能在这些变化全部完成之前就去检查，那样得到的事件会不同。这种情况没有与内核比较。",
        },
    };

    const words = WORDS[document.documentElement.lang.startsWith("zh") ? "zh" : "en"];

    function make(tag, properties = {}, ...children) {
        const element = document.createElement(tag);
        for (const [name, value] of Object.entries(properties))
            if (name in element && name !== "list") element[name] = value;
            else element.setAttribute(name, value);
        element.append(...children);
        return element;
    }

    // ---- The state, from the list of operations -------------------------------------------------

    const root = document.getElementById("lab_bench");
    let questions = [];
    let question = null;
    let operations = [];
    let steps = []; // what each operation answered
    let lab = new Lab();

    function replay() {
        lab = new Lab();
        steps = operations.map(operation => {
            const step = lab.apply(operation);
            return {operation, ...step, line: line(operation, step), told: tell(operation, step)};
        });
    }

    function begins(whole, part) {
        return part.length <= whole.length && part.every((each, i) => each === whole[i]);
    }

    function change(next) {
        operations = next;
        replay();
        if (question && !begins(question.operations, operations)) question = null;
        if (!question)
            question = questions.find(each => each.operations.join() === operations.join()) || null;
        history.replaceState(null, "", operations.length > 0 ? hashOf(operations) : location.pathname + location.search);
        for (const link of document.querySelectorAll("a.language"))
            link.href = link.href.split("#")[0] + location.hash;
        show();
    }

    function perform(operation) {
        change([...operations, operation]);
        const {result} = steps[steps.length - 1];
        if (!/^(pair|listen|accept|dup)/.test(operation) || !/^\d+$/.test(result)) return;
        controls.number.value = result; // what was made is what the next call is probably about
        showControls();
    }
    const undo = () => operations.length > 0 && change(operations.slice(0, -1));
    const restart = () => change(question ? question.operations.slice(0, 1) : []);
    const nextStep = () => question && operations.length < question.operations.length
        && change(question.operations.slice(0, operations.length + 1));
    const toTheEnd = () => question && change(question.operations);

    function choose(name) {
        question = questions.find(each => each.name === name) || null;
        change(question ? question.operations.slice(0, 1) : []);
    }

    // Letters, digits, - and _ only: Doxygen's navigation takes the hash for a selector.
    const hashOf = list => "#do_" + list.map(each => each.replaceAll(" ", "-")).join("_");

    function operationsOf(hash) {
        if (!hash.startsWith("#do_")) return null;
        const list = hash.slice(4).split("_").map(each => each.replaceAll("-", " "));
        if (list.length > LONGEST || list.some(each => each.length > 40)) return null;
        const sizes = list.flatMap(each => each.match(/\d+/g) || []).map(Number);
        if (sizes.some(each => each < 1 || each > 1000)) return null;
        try {
            const tried = new Lab();
            list.forEach(each => tried.apply(each));
            return list;
        } catch {
            return null; // no list of operations
        }
    }

    function readQuestions() {
        questions = [...document.querySelectorAll("pre.question")].map(pre => {
            const lines = pre.textContent.trim().split("\n");
            let heading = pre.previousElementSibling, answer = pre.nextElementSibling;
            while (heading && !/^H\d$/.test(heading.tagName)) heading = heading.previousElementSibling;
            while (answer && !(answer.tagName === "P" && answer.textContent.trim())) answer = answer.nextElementSibling;
            return {name: pre.dataset.question, pre, anchor: `lab_${pre.dataset.question}`,
                title: heading ? heading.textContent.trim() : pre.dataset.question,
                answer, operations: lines.map(each => each.split(" = ")[0])};
        });
        for (const each of questions) {
            const button = make("button", {type: "button", className: "play", textContent: `▶ ${words.play}`});
            button.addEventListener("click", () => {
                choose(each.name);
                root.scrollIntoView({block: "start"});
                controls.next.focus({preventScroll: true});
            });
            each.pre.before(button);
        }
    }

    // ---- In words -------------------------------------------------------------------------------

    const nameOf = name => name === "listener" ? words.ofListener : name;
    const left = socket => socket.received.reduce((sum, message) => sum + message.left, 0);

    function tell(operation, step) {
        const sentences = [sayResult(operation.split(" "), step.result)];
        for (const note of step.notes)
            sentences.push(words.notes[note.what]({entry: words.entry(note.number, nameOf(note.name)), detail: note.detail}));
        if (step.ambiguous) sentences.push(words.ambiguous);
        return sentences.filter(each => each);
    }

    function sayResult([first, second], result) {
        const say = words.say, number = Number(result), fine = !Number.isNaN(number);
        if (result in say && result === result.toUpperCase() && !fine) return say[result];
        if (lab.connections.has(first)) {
            const {server} = lab.connections.get(first);
            if (result === "EPIPE") return say.broken;
            if (second === "sends") return fine ? say.sent(first, number, left(server)) : say.clientFull(first);
            if (second === "reads") return readResult(result, lab.connections.get(first).client, say.clientDrained);
            return second === "shuts" ? say.shut : say.clientClosed;
        }
        const file = lab.numbers.get(Number(second));
        switch (first) {
        case "wait": return result === "nothing" ? say.nothing : "";
        case "T1":
        case "T2": return result === "blocks" ? say.blocks(first) : "";
        case "connect": return say.connected(result);
        case "pair":
        case "listen": return say.made(number);
        case "accept": return fine ? say.accepted(number) : say.noneWaits;
        case "dup": return say.dup(number);
        case "close": return say.closed;
        case "shutdown": return say.shutdown;
        case "read": return readResult(result, file, say.drained);
        case "write": return fine ? say.written(number, file.unread) : result === "EPIPE" ? say.broken : say.full;
        }
        return "";
    }

    function readResult(result, socket, drained) {
        if (result === "EAGAIN") return drained;
        if (result === "ECONNRESET") return words.say.reset;
        return result === "0" ? words.say.end : words.say.read(Number(result), left(socket));
    }

    // ---- The picture ----------------------------------------------------------------------------

    const chips = events => [...events].length === 0 ? [make("span", {className: "quiet", textContent: words.nothing})]
        : [...events].map(each => make("span", {className: "chip", textContent: each}));

    function boxes(messages) {
        return messages.map(message => make("span", {className: "message", title: words.count(message.left)},
            ...Array.from({length: Math.ceil(message.left / BYTES_PER_BOX)}, () => make("i"))));
    }

    function queue(title, messages, note, atEnd) {
        const row = make("div", {className: "queue"}, make("b", {textContent: title}));
        const content = make("span", {className: "boxes"}, ...boxes(messages));
        if (messages.length === 0 && !atEnd) content.append(make("span", {className: "quiet", textContent: words.empty}));
        if (atEnd) content.append(make("span", {className: "end", textContent: `⊣ ${words.streamEnd}`}));
        row.append(content);
        if (note) row.append(make("span", {className: "quiet", textContent: note}));
        return row;
    }

    function numbersOf(socket) {
        const numbers = [...lab.numbers].filter(([, file]) => file === socket).map(([number]) => number);
        if (numbers.length > 0) return `${words.numbers} ${numbers.join(", ")}`;
        return lab.listener && lab.listener.waiting.includes(socket) ? words.notAccepted : words.noNumber;
    }

    function readyRow(socket) {
        return make("div", {className: "queue"}, make("b", {textContent: words.readyNow}),
            make("span", {className: "boxes"}, ...chips(READY.filter(each => lab.poll(socket).has(each)))));
    }

    function showSockets() {
        const cards = [];
        if (lab.listener && lab.listener.numbers > 0) {
            const names = lab.listener.waiting.map(each => make("span", {className: "chip", textContent: each.name}));
            cards.push(make("div", {className: "card"},
                make("h4", {}, words.listener, make("small", {textContent: numbersOf(lab.listener)})),
                make("div", {className: "queue"}, make("b", {textContent: words.backlog}),
                    make("span", {className: "boxes"}, ...(names.length > 0 ? names : chips([])))),
                readyRow(lab.listener)));
        }
        for (const [name, {server, client}] of lab.connections) {
            const open = server.numbers > 0 || (lab.listener && lab.listener.waiting.includes(server));
            const state = client.numbers === 0 ? "closed" : client.sendShut && open ? "shut" : "open";
            const card = make("div", {className: "card"},
                make("h4", {}, words.connection(name), make("small", {textContent: numbersOf(server)})));
            if (open)
                card.append(queue(words.received, server.received, server.received.length > 0 ? words.count(left(server)) : "",
                        server.receiveShut),
                    queue(words.sent, client.received, words.full(server.unread, LIMITS.capacity)), readyRow(server));
            card.append(make("div", {className: "quiet", textContent: words.clientIs[state]}));
            cards.push(card);
        }
        view.sockets.replaceChildren(...(cards.length > 0 ? cards : [make("p", {className: "quiet", textContent: words.noEntries})]));
    }

    function modeOf(entry) {
        const mode = [entry.edge ? words.modeEdge : words.modeLevel];
        if (entry.oneshot) mode.push(words.modeOneshot);
        if (entry.disabled) mode.push(words.disabled);
        return mode.join(words.comma);
    }

    function numberOf(entry) {
        const file = lab.numbers.get(entry.number);
        return file === entry.file ? String(entry.number)
            : `${entry.number} (${file ? words.otherSocket : words.closedNumber})`;
    }

    function showSet() {
        const rows = lab.entries.map(entry => make("tr", {className: lab.ready.includes(entry) ? "listed" : ""},
            make("td", {textContent: numberOf(entry)}), make("td", {textContent: nameOf(entry.file.name)}),
            make("td", {textContent: join(new Set([...entry.events].filter(each => each !== "HUP" && each !== "ERR"))) || "–"}),
            make("td", {textContent: modeOf(entry)})));
        const head = make("tr", {}, ...words.columns.map(each => make("th", {scope: "col", textContent: each})));
        view.set.replaceChildren(rows.length > 0 ? make("table", {}, make("thead", {}, head), make("tbody", {}, ...rows))
            : make("p", {className: "quiet", textContent: words.noEntries}));
        const listed = lab.ready.map(entry =>
            make("li", {textContent: words.entry(entry.number, nameOf(entry.file.name))}));
        view.list.replaceChildren(listed.length > 0 ? make("ol", {}, ...listed)
            : make("p", {className: "quiet", textContent: words.listEmpty}));
    }

    function showWaiting() {
        const {last} = lab;
        const text = !last ? words.none
            : last.events.map(({entry, events}) => `${entry.number} ${join(events)}`).join(", ") || words.nothing;
        const blocked = lab.blocked.map(each => make("span", {className: "chip blocked", textContent: words.blocked(each.thread)}));
        view.last.replaceChildren(make("output", {textContent: text}), last ? words.by(last.thread) : "", ...blocked);
    }

    function showLog() {
        const items = steps.map(step => make("li", {}, make("code", {textContent: step.line}), " ", step.told.join(words.space)));
        if (items.length > 0) items[items.length - 1].className = "newest";
        view.log.replaceChildren(...items.reverse());
        view.log.reversed = true;
        const newest = steps[steps.length - 1];
        view.told.dataset.line = newest ? newest.line : "";
        view.told.replaceChildren(...(newest ? [make("code", {textContent: newest.line}), " ", newest.told.join(words.space)]
            : [words.noLog]));
    }

    function showQuestion() {
        controls.question.value = question ? question.name : "";
        const at = operations.length, all = question ? question.operations.length : 0;
        const atEnd = question !== null && at === all;
        for (const each of [controls.next, controls.end]) turnOff(each, !question || atEnd);
        controls.next.textContent = question && !atEnd ? `${words.next}: ${question.operations[at]}` : words.next;
        view.title.textContent = question ? question.title : "";
        view.progress.textContent = question ? words.step(at, all) : "";
        view.answer.hidden = !atEnd;
        view.answer.dataset.question = atEnd ? question.name : "";
        if (!atEnd) return;
        const text = question.answer.cloneNode(true);
        text.prepend(make("b", {textContent: `${words.answer}: `}));
        text.append(" ", make("a", {href: `#${question.anchor}`, textContent: `${words.more} ↓`}));
        view.answer.replaceChildren(text);
    }

    // What is new is chosen; otherwise what was chosen stays, if it is still there.
    function offer(select, values) {
        const shown = [...select.options].map(each => each.value);
        if (shown.join() === values.join()) return;
        const added = values.filter(each => !shown.includes(each));
        const chosen = added.length > 0 ? added[added.length - 1] : select.value;
        select.replaceChildren(...values.map(each => make("option", {value: each, textContent: each})));
        select.value = values.includes(chosen) ? chosen : values[values.length - 1] || "";
    }

    function showControls() {
        const numbers = new Set([...lab.numbers.keys(), ...lab.entries.map(entry => entry.number)]);
        offer(controls.number, [...numbers].sort((a, b) => a - b).map(String));
        offer(controls.client, [...lab.connections.keys()]);
        for (const each of controls.ofNumber) turnOff(each, numbers.size === 0);
        for (const each of controls.ofClient) turnOff(each, lab.connections.size === 0);
        for (const [thread, each] of controls.threads)
            turnOff(each, lab.blocked.some(waiter => waiter.thread === thread));
        const file = lab.numbers.get(Number(controls.number.value));
        turnOff(controls.accept, !file || !file.listens);
        turnOff(controls.connect, !lab.listener || lab.listener.numbers === 0);
        for (const each of [controls.undo, controls.restart]) turnOff(each, operations.length === 0);
        controls.ctlNumber.textContent = controls.number.value || "–";
    }

    function show() {
        showSockets();
        showSet();
        showWaiting();
        showLog();
        showQuestion();
        showControls();
    }

    // ---- The buttons ----------------------------------------------------------------------------

    const view = {}, controls = {ofNumber: [], ofClient: [], threads: new Map()};

    // Not `disabled`: a button that has the focus would lose it, and the keys with it.
    const turnOff = (which, off) => which.setAttribute("aria-disabled", off);

    function button(text, action, list) {
        const made = make("button", {type: "button", textContent: text});
        made.addEventListener("click", () => made.getAttribute("aria-disabled") !== "true" && action());
        if (list) list.push(made);
        return made;
    }

    function choice(label, values, chosen) {
        const select = make("select", {"aria-label": label}, ...values.map(each => make("option", {value: each, textContent: each})));
        if (chosen) select.value = String(chosen);
        return select;
    }

    function tick(text, checked) {
        const box = make("input", {type: "checkbox", checked});
        return {box, label: make("label", {}, box, ` ${text}`)};
    }

    function group(title, ...children) {
        return make("fieldset", {}, make("legend", {}, ...title), make("div", {}, ...children));
    }

    function buildControls() {
        const {ofNumber, ofClient} = controls;
        controls.connect = button("connect", () => perform("connect"));
        controls.client = choice(words.client, []);
        controls.number = choice(words.program, []);
        controls.number.addEventListener("change", showControls);
        const clientBytes = choice(words.bytes, SIZES, 60), bytes = choice(words.bytes, SIZES, 40);
        const clientDoes = (verb, sized) => button(words[verb], () =>
            perform(`${controls.client.value} ${verb}${sized ? ` ${clientBytes.value}` : ""}`), ofClient);
        const programDoes = (verb, sized) => button(verb, () =>
            perform(`${verb} ${controls.number.value}${sized ? ` ${bytes.value}` : ""}`), ofNumber);
        controls.accept = programDoes("accept", false);

        const events = ["IN", "OUT", "RDHUP"].map(name => ({name, ...tick(name, name === "IN")}));
        const edge = {name: "ET", ...tick(words.edge, true)}, oneshot = {name: "ONESHOT", ...tick(words.oneshot, false)};
        const chosen = () => [...events, edge, oneshot].filter(each => each.box.checked).map(each => each.name).join(" ");
        const control = verb => button(verb, () =>
            perform(`${verb} ${controls.number.value} ${verb === "DEL" ? "" : chosen()}`.trim()), ofNumber);
        controls.ctlNumber = make("span");

        const max = choice(words.max, [1, 2, 8], 8);
        const threads = THREADS.map(name => {
            const made = button(words.thread(name), () => perform(`${name} waits ${max.value}`));
            controls.threads.set(name, made);
            return made;
        });
        controls.wait = button(words.wait, () => perform(`wait ${max.value}`));
        return make("div", {className: "controls"},
            group([words.make], button("socketpair", () => perform("pair")), button("listen", () => perform("listen")), controls.connect),
            group([`${words.client} `, controls.client], clientDoes("sends", true), clientDoes("reads", true), clientBytes,
                ` ${words.bytes} `, clientDoes("shuts", false), clientDoes("closes", false)),
            group([`${words.program} `, controls.number], programDoes("read", true), programDoes("write", true), bytes,
                ` ${words.bytes} `, controls.accept, programDoes("shutdown", false), programDoes("dup", false), programDoes("close", false)),
            group([`${words.ctl} `, controls.ctlNumber], ...[...events, edge, oneshot].map(each => each.label),
                control("ADD"), control("MOD"), control("DEL")),
            group([words.waiting], controls.wait, make("label", {}, `${words.max} `, max), ...threads));
    }

    function panel(title, name, properties = {}) {
        view[name] = make("div", {className: name, ...properties});
        return make("section", {className: `panel of-${name}`}, make("h3", {textContent: title}), view[name]);
    }

    function build() {
        controls.question = make("select", {"aria-label": words.question}, make("option", {value: "", textContent: words.free}),
            ...questions.map(each => make("option", {value: each.name, textContent: each.title})));
        controls.question.addEventListener("change", () => choose(controls.question.value));
        controls.next = button(words.next, nextStep);
        controls.end = button(words.end, toTheEnd);
        controls.undo = button(words.undo, undo);
        controls.restart = button(words.restart, restart);
        controls.next.classList.add("next");
        controls.end.classList.add("to-end");
        view.progress = make("span", {className: "quiet progress"});
        view.title = make("p", {className: "title"});
        view.told = make("p", {className: "told", "aria-live": "polite"});
        view.answer = make("div", {className: "answer", "aria-live": "polite", hidden: true});
        view.log = make("ol", {className: "log"});
        root.replaceChildren(
            make("div", {className: "asked"}, make("label", {}, `${words.question}: `, controls.question), view.title),
            make("div", {className: "steps"}, controls.next, controls.end, controls.undo, controls.restart, view.progress),
            view.told, view.answer,
            make("div", {className: "bench"},
                make("div", {className: "state"}, panel(words.sockets, "sockets"), panel(words.set, "set"),
                    panel(words.list, "list"), panel(words.last, "last")),
                buildControls()),
            make("details", {open: true}, make("summary", {textContent: words.log}), view.log),
            make("p", {className: "quiet keys", textContent: words.keys}));
        root.hidden = false;
        root.setAttribute("role", "group");
        root.setAttribute("aria-label", words.lab);
        root.addEventListener("keydown", pressed);
    }

    function pressed(event) {
        const actions = {ArrowRight: nextStep, ArrowLeft: undo, Home: restart, w: () => controls.wait.click()};
        if (!(event.key in actions) || event.altKey || event.ctrlKey || event.metaKey) return;
        if (/^(SELECT|INPUT)$/.test(event.target.tagName)) return; // they have these keys for themselves
        event.preventDefault();
        actions[event.key]();
    }

    function begin() {
        if (!root) return;
        readQuestions();
        build();
        const given = operationsOf(location.hash);
        if (given) {
            change(given);
        } else {
            question = questions[0] || null;
            operations = question ? question.operations.slice(0, 1) : [];
            replay();
            show(); // and the address stays as it is: it may lead to a section
        }
        window.addEventListener("hashchange", () => {
            const list = operationsOf(location.hash);
            if (list && list.join() !== operations.join()) change(list);
        });
    }

    window.addEventListener("DOMContentLoaded", begin);
})();
