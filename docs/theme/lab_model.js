// A model of epoll over Unix stream sockets, for the page "The epoll laboratory" (lab.js) and for
// tests/lab/compare.js, which runs it under node beside the kernel's epoll and compares the answers.
// It touches no page and no clock: the same operations give the same answers.
//
// An operation is a line of words, and its answer is what the call returns:
//
//   pair                       a connected socket: its number. Connections are named A, B, C …
//   listen                     a listening socket: its number
//   connect                    a client connects to it: the new connection's name
//   accept 4                   the number of the next connection that waits at listener 4, or EAGAIN
//   A sends 60, A reads 40     the client at the other end of A writes and reads
//   A shuts, A closes          it shuts down its sending side; it closes its socket
//   read 4 40, write 4 60      the program reads and writes, without blocking
//   shutdown 4, dup 4, close 4
//   ADD 4 IN OUT RDHUP ET ONESHOT, MOD 4 …, DEL 4      epoll_ctl; the number is also the event's data
//   wait 8                     epoll_wait for at most 8 events with timeout 0: "4 IN|OUT, 5 IN" or "nothing"
//   T1 waits 8, T2 waits 8     the same in a second and a third thread, without a timeout: "blocks" if
//                              there is nothing to report
//
// Where the model follows a function of the kernel, a comment names it: fs/eventpoll.c, net/unix/af_unix.c.
const epollLab = (() => {
    "use strict";

    const READY = ["IN", "OUT", "RDHUP", "HUP", "ERR"]; // in the order in which answers name them
    const FLAGS = ["ET", "ONESHOT"];
    const ON_NUMBERS = ["accept", "read", "write", "shutdown", "dup", "close", "ADD", "MOD", "DEL"];
    const FIRST_NUMBER = 4; // 0 to 2 are the standard streams, 3 is the epoll descriptor
    const THREADS = ["T1", "T2"];

    // How many messages fit into a send buffer, and with how many unread ones a socket is still
    // writable. The kernel counts memory, not bytes: with SO_SNDBUF at its minimum, 4608, and 960 for
    // each message of up to 100 bytes. tests/lab/epoll_driver.cpp measures both numbers.
    const LIMITS = {capacity: 6, writable: 1};

    const join = events => READY.filter(each => events.has(each)).join("|");

    class Lab {
        constructor(limits = LIMITS) {
            this.limits = limits;
            this.numbers = new Map(); // open numbers of the program; each refers to a file
            this.connections = new Map(); // by name: {server, client}, both sockets
            this.listener = null; // where clients connect to: the last one that listens
            this.entries = []; // the interest set, in order of ADD
            this.ready = []; // the ready list, a queue
            this.blocked = []; // threads in epoll_wait: the last to come is the first to be woken
            this.last = null; // what the last epoll_wait returned, of any thread
        }

        // Carries out one operation. `woken` are threads whose epoll_wait returned because of it,
        // `notes` say what happened inside. `ambiguous`: the operation woke a thread and then changed
        // something more. The thread may look before that or after it, so its events may differ.
        apply(operation) {
            this.notes = [];
            this.woken = [];
            this.wokeThread = this.ambiguous = false;
            const result = this.carryOut(operation.split(" "));
            return {result, woken: this.woken, notes: this.notes, ambiguous: this.ambiguous};
        }

        carryOut(words) {
            const [first, second, third] = words;
            if (this.connections.has(first)) return this.clientDoes(first, second, Number(third));
            if (THREADS.includes(first)) return this.wait(first, Number(third));
            if (first === "wait") return this.wait("", Number(second));
            if (first === "pair") return String(this.open(this.makeConnection().server));
            if (first === "listen") return this.listen();
            if (first === "connect") return this.connect();
            if (/^[A-Z]$/.test(first)) return "EBADF"; // a client that is not there
            if (!ON_NUMBERS.includes(first)) throw new Error(`no operation: ${words.join(" ")}`);
            const number = Number(second);
            if (!this.numbers.has(number)) return "EBADF";
            const file = this.numbers.get(number);
            switch (first) {
            case "accept": return this.accept(file);
            case "read": return this.read(file, Number(third));
            case "write": return this.write(file, Number(third));
            case "shutdown": return this.shutDown(file);
            case "dup": return String(this.open(file));
            case "close": return this.close(number, file);
            case "ADD": return this.add(number, file, words.slice(2));
            case "MOD": return this.modify(number, file, words.slice(2));
            default: return this.remove(number, file);
            }
        }

        // ---- Sockets ---------------------------------------------------------------------------

        makeSocket(name) {
            return {name, peer: null, listens: false, waiting: [], // connections that are not accepted yet
                received: [], // messages: {left: bytes, from: the socket that sent it}
                unread: 0, // messages of ours that the peer has not read to their end: our send buffer
                receiveShut: false, sendShut: false, reset: false,
                numbers: 0, // open numbers that refer to it
                watchers: []}; // its entries in the interest set, the latest first
        }

        makeConnection() {
            const name = String.fromCharCode("A".charCodeAt(0) + this.connections.size);
            const server = this.makeSocket(name), client = this.makeSocket(name);
            server.peer = client;
            client.peer = server;
            client.numbers = 1;
            this.connections.set(name, {server, client});
            return {name, server};
        }

        open(file) {
            let number = FIRST_NUMBER;
            while (this.numbers.has(number)) ++number; // POSIX: the lowest that is free
            this.numbers.set(number, file);
            ++file.numbers;
            return number;
        }

        listen() {
            this.listener = this.makeSocket("listener");
            this.listener.listens = true;
            return String(this.open(this.listener));
        }

        connect() {
            if (!this.listener || this.listener.numbers === 0) return "ECONNREFUSED";
            const {name, server} = this.makeConnection();
            this.listener.waiting.push(server);
            this.wake(this.listener, "IN");
            return name;
        }

        accept(file) {
            if (!file.listens) return "EINVAL";
            if (file.waiting.length === 0) return "EAGAIN";
            return String(this.open(file.waiting.shift()));
        }

        clientDoes(name, verb, bytes) {
            const {client} = this.connections.get(name);
            if (client.numbers === 0) return "EBADF";
            switch (verb) {
            case "sends": return this.write(client, bytes);
            case "reads": return this.read(client, bytes);
            case "shuts": return this.shutDown(client);
            case "closes":
                client.numbers = 0;
                this.release(client, false);
                return "0";
            }
            throw new Error(`no operation: ${name} ${verb}`);
        }

        // unix_stream_sendmsg
        write(socket, bytes) {
            if (!socket.peer) return "ENOTCONN";
            if (socket.sendShut) return "EPIPE";
            if (socket.unread >= this.limits.capacity) return "EAGAIN";
            ++socket.unread;
            socket.peer.received.push({left: bytes, from: socket});
            this.wake(socket.peer, "IN"); // sk_data_ready
            return String(bytes);
        }

        // unix_stream_read_generic: bytes of several messages, as many as are there and asked for.
        read(socket, bytes) {
            if (socket.listens) return "EINVAL";
            let taken = 0;
            while (taken < bytes && socket.received.length > 0) {
                const message = socket.received[0];
                const part = Math.min(message.left, bytes - taken);
                message.left -= part;
                taken += part;
                if (message.left > 0) break;
                socket.received.shift();
                this.free(message);
            }
            if (taken > 0) return String(taken);
            if (socket.reset) {
                socket.reset = false; // an error is reported once
                return "ECONNRESET";
            }
            return socket.receiveShut ? "0" : "EAGAIN";
        }

        // sock_wfree: the sender's buffer has room for one more; its watchers hear of that while the
        // socket is writable, each time (unix_write_space). TCP reports only that a full buffer has room.
        free(message) {
            this.ambiguous ||= this.wokeThread;
            --message.from.unread;
            if (this.isWritable(message.from)) this.wake(message.from, "OUT");
        }

        isWritable(socket) {
            return !socket.listens && socket.unread <= this.limits.writable;
        }

        // unix_shutdown with SHUT_WR
        shutDown(socket) {
            socket.sendShut = true;
            this.wake(socket, ""); // sk_state_change
            if (socket.peer) {
                socket.peer.receiveShut = true;
                this.wake(socket.peer, "");
            }
            return "0";
        }

        // unix_release_sock
        release(socket, neverAccepted) {
            const {peer} = socket;
            if (peer) {
                peer.receiveShut = peer.sendShut = true;
                if (socket.received.length > 0 || neverAccepted) peer.reset = true;
                this.wake(peer, "");
            }
            for (const waiting of socket.waiting.splice(0)) this.release(waiting, true);
            for (const message of socket.received.splice(0)) this.free(message);
        }

        // unix_poll: what is so now, whatever was reported.
        poll(socket) {
            const events = new Set();
            if (socket.received.length > 0 || socket.waiting.length > 0 || socket.receiveShut) events.add("IN");
            if (this.isWritable(socket)) events.add("OUT");
            if (socket.receiveShut) events.add("RDHUP");
            if (socket.receiveShut && socket.sendShut) events.add("HUP");
            if (socket.reset) events.add("ERR");
            return events;
        }

        // ---- The interest set ------------------------------------------------------------------

        // An entry belongs to a number and a file: a number that was closed and given to another
        // file is no longer the entry's.
        find(number, file) {
            return this.entries.find(each => each.number === number && each.file === file);
        }

        // ep_insert
        add(number, file, words) {
            if (this.find(number, file)) return "EEXIST";
            const entry = {number, file};
            this.setEvents(entry, words);
            this.entries.push(entry);
            file.watchers.unshift(entry);
            this.check(entry);
            return "0";
        }

        // ep_modify
        modify(number, file, words) {
            const entry = this.find(number, file);
            if (!entry) return "ENOENT";
            this.setEvents(entry, words);
            this.check(entry);
            return "0";
        }

        remove(number, file) {
            const entry = this.find(number, file);
            if (!entry) return "ENOENT";
            this.forget(entry);
            return "0";
        }

        // ERR and HUP are always reported, asked for or not.
        setEvents(entry, words) {
            const unknown = words.find(each => ![...READY, ...FLAGS].includes(each));
            if (unknown) throw new Error(`no event: ${unknown}`);
            entry.events = new Set([...words.filter(each => READY.includes(each)), "HUP", "ERR"]);
            [entry.edge, entry.oneshot] = FLAGS.map(each => words.includes(each));
            entry.disabled = false;
        }

        // ADD and MOD look at once; what is ready by then needs no callback to be reported.
        check(entry) {
            if (this.readyEvents(entry).size === 0) {
                this.note("not ready", entry);
                return;
            }
            this.note(this.ready.includes(entry) ? "listed already" : "ready at once", entry);
            if (this.ready.includes(entry)) return;
            this.ready.push(entry);
            this.wakeThread();
        }

        readyEvents(entry) {
            return entry.disabled ? new Set()
                : new Set([...this.poll(entry.file)].filter(each => entry.events.has(each)));
        }

        forget(entry) {
            this.note(this.ready.includes(entry) ? "removed, listed" : "removed", entry);
            this.entries = this.entries.filter(each => each !== entry);
            this.ready = this.ready.filter(each => each !== entry);
            entry.file.watchers = entry.file.watchers.filter(each => each !== entry);
        }

        // Closing a number leaves its entry in the set while another number refers to the same file.
        close(number, file) {
            this.numbers.delete(number);
            if (--file.numbers > 0) {
                const entry = this.find(number, file);
                if (entry) this.note("stays", entry);
                return "0";
            }
            for (const entry of [...file.watchers]) this.forget(entry); // eventpoll_release_file
            this.release(file, false);
            return "0";
        }

        // ---- Waking and waiting ----------------------------------------------------------------

        // ep_poll_callback: something happened to a socket. `event` is what, "" if it may be anything.
        // An entry goes onto the ready list; what is ready is not looked at before epoll_wait.
        wake(socket, event) {
            for (const entry of socket.watchers) {
                if (entry.disabled || (event && !entry.events.has(event))) {
                    this.note(entry.disabled ? "disabled" : "not watched", entry, event);
                    continue;
                }
                this.ambiguous ||= this.wokeThread;
                this.note(this.ready.includes(entry) ? "listed already" : "listed", entry, event);
                if (!this.ready.includes(entry)) this.ready.push(entry);
                this.wakeThread();
            }
        }

        // One thread is woken: the last that came. If another was faster and nothing is left, it waits again.
        wakeThread() {
            if (this.blocked.length === 0) return;
            this.wokeThread = true;
            const waiter = this.blocked.pop();
            this.note("wakes", null, waiter.thread);
            const woken = {thread: waiter.thread, result: ""};
            this.woken.push(woken); // before a thread that this one wakes in its turn
            const events = this.sendEvents(waiter.max);
            if (events.length === 0) {
                this.note("waits again", null, waiter.thread);
                this.woken.pop();
                this.blocked.push(waiter);
                return;
            }
            woken.result = this.answer(waiter.thread, events);
        }

        // epoll_wait
        wait(thread, max) {
            if (this.blocked.some(each => each.thread === thread)) return "busy";
            const events = this.sendEvents(max);
            if (events.length === 0 && thread) {
                this.blocked.push({thread, max});
                return "blocks";
            }
            return this.answer(thread, events);
        }

        answer(thread, events) {
            this.last = {thread, events};
            return events.map(({entry, events}) => `${entry.number} ${join(events)}`).join(", ") || "nothing";
        }

        // ep_send_events: what is on the list is asked what is ready now.
        sendEvents(max) {
            const scanned = this.ready, events = [];
            this.ready = [];
            while (scanned.length > 0 && events.length < max) {
                const entry = scanned.shift();
                const ready = this.readyEvents(entry);
                if (ready.size === 0) {
                    this.note("dropped", entry);
                    continue;
                }
                events.push({entry, events: ready});
                if (entry.oneshot) entry.disabled = true;
                else if (!entry.edge) this.ready.push(entry); // level-triggered: behind all others
                this.note(entry.oneshot ? "reported, disabled" : entry.edge ? "reported, gone" : "reported, stays",
                    entry, join(ready));
            }
            this.ready = [...scanned, ...this.ready]; // ep_done_scan: what did not fit comes first
            if (this.ready.length > 0) this.wakeThread();
            return events;
        }

        note(what, entry, detail = "") {
            this.notes.push({what, number: entry ? entry.number : 0, name: entry ? entry.file.name : "", detail});
        }
    }

    // All operations of a list, each with its answer in one line: "read 4 40 = 40; T1: 4 IN".
    function transcript(operations, limits = LIMITS) {
        const lab = new Lab(limits);
        return operations.map(operation => line(operation, lab.apply(operation)));
    }

    function line(operation, {result, woken}) {
        return `${operation} = ${result}` + woken.map(each => `; ${each.thread}: ${each.result}`).join("");
    }

    return {Lab, transcript, line, join, READY, LIMITS, THREADS};
})();

if (typeof module !== "undefined") module.exports = epollLab;
