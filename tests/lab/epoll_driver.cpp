/// \file
/// Carries out scripts of the epoll laboratory with real sockets and the kernel's epoll, and prints
/// what each operation answers. docs/theme/lab_model.js says how a script is written and must
/// answer the same; compare.js compares the two.
///
/// Scripts come on standard input, an operation per line, an empty line behind each script. Each
/// script runs in a process of its own, so that its numbers begin with 3 and its threads end with
/// it. The output has a line for each operation, and an empty line behind each script. With
/// `--limits`, prints the two numbers that depend on how much memory this kernel counts for a
/// message.
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <mutex>
#include <ranges>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace {

constexpr int epoll_number = 3;
constexpr int first_client_number =
    100; // clients stay out of the way of the numbers that the script is about
constexpr int message_size = 60;
constexpr std::chrono::microseconds a_moment{20};

[[noreturn]] void fail(const std::string& what) {
    std::cerr << "epoll_driver: " << what << ": errno " << errno << '\n';
    std::_Exit(1);
}

int check(int result, const char* what) {
    return result >= 0 ? result : (fail(what), result);
}

std::string error_name(int error) {
    static const std::map<int, std::string> names{
        {EAGAIN, "EAGAIN"},         {EBADF, "EBADF"},       {ECONNREFUSED, "ECONNREFUSED"},
        {ECONNRESET, "ECONNRESET"}, {EEXIST, "EEXIST"},     {EINVAL, "EINVAL"},
        {ENOENT, "ENOENT"},         {ENOTCONN, "ENOTCONN"}, {EPIPE, "EPIPE"},
        {EADDRINUSE, "EADDRINUSE"},
    };
    const auto found = names.find(error);
    return found != names.end() ? found->second : std::to_string(error);
}

std::string result_of(ssize_t result) {
    return result >= 0 ? std::to_string(result) : error_name(errno);
}

/// The smallest send buffer there is, so that a few messages fill it.
void make_small(int fd) {
    const int smallest = 1;
    check(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &smallest, sizeof smallest), "SO_SNDBUF");
}

/// Moves a descriptor to where clients have theirs.
int move_away(int fd) {
    const int moved = check(fcntl(fd, F_DUPFD, first_client_number), "F_DUPFD");
    close(fd);
    return moved;
}

struct event_name {
    std::uint32_t bit;
    const char* name;
};

constexpr std::array event_names{event_name{EPOLLIN, "IN"}, event_name{EPOLLOUT, "OUT"},
                                 event_name{EPOLLRDHUP, "RDHUP"}, event_name{EPOLLHUP, "HUP"},
                                 event_name{EPOLLERR, "ERR"}};
constexpr std::array flag_names{event_name{EPOLLET, "ET"}, event_name{EPOLLONESHOT, "ONESHOT"}};

std::uint32_t bit_of(const std::string& name) {
    for (const auto& each : event_names)
        if (name == each.name) return each.bit;
    for (const auto& each : flag_names)
        if (name == each.name) return each.bit;
    fail("no event: " + name);
}

std::string names_of(std::uint32_t events) {
    std::string text;
    for (const auto& each : event_names)
        if ((events & each.bit) != 0) text.append(text.empty() ? "" : "|").append(each.name);
    return text;
}

struct reported {
    std::array<epoll_event, 16> events{};
    int count = 0;
};

/// Calls epoll_wait, and allocates nothing: a thread that sleeps in here sleeps in epoll_wait.
reported wait_for_events(int max, int timeout) {
    reported found;
    found.count = check(epoll_wait(epoll_number, found.events.data(), std::min(max, 16), timeout),
                        "epoll_wait");
    return found;
}

std::string text_of(const reported& found) {
    std::string text;
    for (int i = 0; i < found.count; ++i) {
        const auto& event = found.events[static_cast<std::size_t>(i)];
        text.append(i > 0 ? ", " : "").append(std::to_string(event.data.fd));
        text.append(" ").append(names_of(event.events));
    }
    return text.empty() ? "nothing" : text;
}

/// A thread that waits when it is told to, and whose result can be asked for.
class waiting_thread {
public:
    waiting_thread() {
        std::thread([this] {
            run();
        }).detach(); // it may block in epoll_wait until the process ends
        while (id_ == 0) std::this_thread::sleep_for(a_moment);
    }

    void begin(int max) {
        {
            const std::lock_guard lock(mutex_);
            max_ = max;
            returned_ = false;
            begun_ = true;
        }
        wanted_.notify_one();
    }

    /// True from begin() until the result has been taken.
    bool begun() const { return begun_; }
    bool returned() const { return returned_; }

    std::string take_result() {
        begun_ = false;
        return result_;
    }

    /// True if the kernel says that the thread sleeps. While it is begun and has not returned, it
    /// sleeps nowhere but in epoll_wait: the mutex is free by then.
    bool sleeps() const {
        std::ifstream file("/proc/self/task/" + std::to_string(id_) + "/stat");
        std::string text;
        std::getline(file, text);
        const auto name_end = text.rfind(") ");
        return in_wait_ && name_end != std::string::npos && text[name_end + 2] == 'S';
    }

private:
    void run() {
        id_ = gettid();
        for (;;) {
            int max = 0;
            {
                std::unique_lock lock(mutex_);
                wanted_.wait(lock, [this] { return max_ > 0; });
                max = std::exchange(max_, 0);
            }
            in_wait_ = true;
            const auto found = wait_for_events(max, -1);
            in_wait_ = false;
            result_ = text_of(found);
            returned_ = true;
        }
    }

    std::mutex mutex_;
    std::condition_variable wanted_;
    int max_ = 0; // guarded by mutex_
    std::atomic<bool> begun_{false};
    std::atomic<bool> in_wait_{false};
    std::atomic<bool> returned_{false}; // set after result_ was written
    std::string result_;
    std::atomic<pid_t> id_{0};
};

/// One script's sockets.
class script {
public:
    script() {
        if (epoll_create1(0) != epoll_number) fail("the epoll descriptor is not number 3");
    }

    std::string carry_out(const std::string& line) {
        std::istringstream in(line);
        words_.clear();
        for (std::string word; in >> word;) words_.push_back(word);
        std::string answer = answer_of(words_[0]);
        settle();
        for (auto& [name, thread] : threads_) {
            if (!thread->begun()) continue;
            if (name == words_[0]) answer = thread->returned() ? thread->take_result() : "blocks";
        }
        // In the order in which the kernel wakes: the last to begin is the first.
        for (const auto& name : waiting_ | std::views::reverse)
            if (auto& thread = *threads_.at(name); thread.begun() && thread.returned())
                answer += "; " + name + ": " + thread.take_result();
        std::erase_if(waiting_, [this](const auto& name) { return !threads_.at(name)->begun(); });
        if (threads_.contains(words_[0]) && threads_.at(words_[0])->begun() &&
            std::ranges::find(waiting_, words_[0]) == waiting_.end())
            waiting_.push_back(words_[0]);
        return answer;
    }

private:
    int number_at(std::size_t i) const { return std::stoi(words_.at(i)); }

    std::string answer_of(const std::string& verb) {
        if (verb == "pair") return pair();
        if (verb == "listen") return listen_for_clients();
        if (verb == "connect") return connect_client();
        if (verb == "wait") return text_of(wait_for_events(number_at(1), 0));
        if (verb == "T1" || verb == "T2") return begin_wait(verb);
        if (verb.size() == 1) return client_does(verb[0], words_.at(1));
        if (verb == "ADD" || verb == "MOD" || verb == "DEL") return control(verb);
        return program_does(verb, number_at(1));
    }

    std::string pair() {
        std::array<int, 2> ends{};
        check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends.data()), "socketpair");
        const int client = move_away(ends[1]);
        make_small(ends[0]);
        make_small(client);
        clients_.push_back(client);
        return std::to_string(ends[0]);
    }

    std::string listen_for_clients() {
        const int fd = check(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0), "socket");
        sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
        check(bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address.sun_family),
              "bind");
        check(listen(fd, 16), "listen");
        address_size_ = sizeof address_; // the kernel has chosen an abstract name
        check(getsockname(fd, reinterpret_cast<sockaddr*>(&address_), &address_size_),
              "getsockname");
        return std::to_string(fd);
    }

    std::string connect_client() {
        if (address_size_ == 0) return "ECONNREFUSED";
        const int fd = move_away(check(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0), "socket"));
        make_small(fd);
        if (connect(fd, reinterpret_cast<const sockaddr*>(&address_), address_size_) != 0) {
            const std::string name = error_name(errno);
            close(fd);
            return name;
        }
        clients_.push_back(fd);
        return std::string(1, static_cast<char>('A' + clients_.size() - 1));
    }

    std::string client_does(char name, const std::string& verb) {
        const auto i = static_cast<std::size_t>(name - 'A');
        if (i >= clients_.size()) // what is left of a script while it is made shorter
            return error_name(EBADF);
        int& fd = clients_[i];
        if (verb == "sends") return write_to(fd, number_at(2));
        if (verb == "reads") return read_from(fd, number_at(2));
        if (verb == "shuts") return result_of(shutdown(fd, SHUT_WR));
        if (verb == "closes") return result_of(close(std::exchange(fd, -1)));
        fail("no operation: " + verb);
    }

    std::string program_does(const std::string& verb, int fd) {
        if (verb == "accept") {
            const int accepted = accept4(fd, nullptr, nullptr, SOCK_NONBLOCK);
            if (accepted >= 0) make_small(accepted);
            return result_of(accepted);
        }
        if (verb == "read") return read_from(fd, number_at(2));
        if (verb == "write") return write_to(fd, number_at(2));
        if (verb == "shutdown") return result_of(shutdown(fd, SHUT_WR));
        if (verb == "dup") return result_of(dup(fd));
        if (verb == "close") return result_of(close(fd));
        fail("no operation: " + verb);
    }

    static std::string write_to(int fd, int size) {
        const std::string bytes(static_cast<std::size_t>(size), 'x');
        return result_of(send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL));
    }

    static std::string read_from(int fd, int size) {
        std::string bytes(static_cast<std::size_t>(size), '\0');
        return result_of(recv(fd, bytes.data(), bytes.size(), 0));
    }

    std::string control(const std::string& verb) {
        epoll_event event{};
        event.data.fd = number_at(1);
        for (std::size_t i = 2; i < words_.size(); ++i) event.events |= bit_of(words_[i]);
        const int operation = verb == "ADD"   ? EPOLL_CTL_ADD
                              : verb == "MOD" ? EPOLL_CTL_MOD
                                              : EPOLL_CTL_DEL;
        return result_of(epoll_ctl(epoll_number, operation, event.data.fd, &event));
    }

    std::string begin_wait(const std::string& name) {
        auto& thread = threads_[name];
        if (!thread) thread = std::make_unique<waiting_thread>();
        if (thread->begun()) return "busy";
        thread->begin(number_at(2));
        return "";
    }

    /// Returns when each thread has returned from epoll_wait or sleeps in it. A wake-up makes a
    /// thread runnable before the call that wakes it returns. A thread that was woken may wake
    /// another one, so one look at each is not enough: two looks in a row must find the same.
    void settle() const {
        for (int calm = 0; calm < 2;) {
            const bool settled = std::ranges::all_of(threads_, [](const auto& each) {
                return !each.second->begun() || each.second->returned() || each.second->sleeps();
            });
            calm = settled ? calm + 1 : 0;
            if (!settled) std::this_thread::sleep_for(a_moment);
        }
    }

    std::vector<std::string> words_;
    std::vector<int> clients_; // A, B, C …; -1 once closed
    std::map<std::string, std::unique_ptr<waiting_thread>> threads_;
    std::vector<std::string> waiting_; // threads in epoll_wait, the first to begin first
    sockaddr_un address_{};
    socklen_t address_size_ = 0;
};

void run(const std::vector<std::string>& lines) {
    std::cout.flush();
    const pid_t child = check(fork(), "fork");
    if (child == 0) {
        alarm(60); // a script that hangs is a mistake in the driver
        script one;
        for (const auto& line : lines) std::cout << line << " = " << one.carry_out(line) << '\n';
        std::cout << '\n' << std::flush;
        std::_Exit(std::cout ? 0 : 1); // threads may still wait
    }
    int status = 0;
    check(waitpid(child, &status, 0), "waitpid");
    if (status != 0) fail("a script ended with status " + std::to_string(status));
}

bool is_writable(int fd) {
    epoll_event event{.events = EPOLLOUT, .data = {}};
    check(epoll_ctl(epoll_number, EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
    const bool writable = epoll_wait(epoll_number, &event, 1, 0) == 1;
    check(epoll_ctl(epoll_number, EPOLL_CTL_DEL, fd, nullptr), "epoll_ctl");
    return writable;
}

/// Prints how many messages fit into a send buffer, and with how many the socket is still writable.
void print_limits() {
    check(epoll_create1(0), "epoll_create1");
    std::array<int, 2> ends{};
    check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends.data()), "socketpair");
    make_small(ends[0]);
    const std::string message(message_size, 'x');
    int capacity = 0;
    int writable = 0;
    while (send(ends[0], message.data(), message.size(), MSG_NOSIGNAL) > 0) {
        ++capacity;
        if (is_writable(ends[0])) writable = capacity;
    }
    std::cout << capacity << ' ' << writable << '\n';
}

} // namespace

int main(int argc, char** argv) {
    signal(SIGPIPE, SIG_DFL);
    close_range(epoll_number, ~0U, 0); // what was inherited would take the numbers of the scripts
    if (argc > 1 && std::string(argv[1]) == "--limits") {
        print_limits();
        return 0;
    }
    std::vector<std::string> lines;
    for (std::string line; std::getline(std::cin, line);) {
        if (!line.empty()) {
            lines.push_back(line);
            continue;
        }
        run(lines);
        lines.clear();
    }
    if (!lines.empty()) run(lines);
}
