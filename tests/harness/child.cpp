/// \file
/// fork, exec, a thread that reads both pipes, and a pidfd to wait for the end with a limit.

#include "harness/child.hpp"

#include "harness/pidfd.hpp"
#include "harness/tested_build.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <fmt/format.h>

#include <array>
#include <cstring>
#include <sstream>

namespace harness {
namespace {

struct pipe_pair {
    unique_fd read, write;
    pipe_pair() {
        std::array<int, 2> ends{};
        check(::pipe2(ends.data(), O_CLOEXEC), "pipe2");
        read = unique_fd(ends[0]);
        write = unique_fd(ends[1]);
    }
};

void fill(const unique_fd& pipe) {
    const int flags = ::fcntl(pipe.get(), F_GETFL);
    ::fcntl(pipe.get(), F_SETFL, flags | O_NONBLOCK);
    const std::array<char, 4096> page{};
    while (::write(pipe.get(), page.data(), page.size()) > 0) {}
    ::fcntl(pipe.get(), F_SETFL, flags);
}

/// Everything between fork and exec. Another thread may hold any lock at the moment of the fork:
/// system calls only, no memory, no streams.
[[noreturn]] void become(char* const* words, const child_options& options, pid_t parent, int out,
                         int err, int report) {
    ::setpgid(0, 0);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(127); // it died before the line above
    for (const int number : {SIGPIPE, SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGCHLD})
        ::signal(number, SIG_DFL);
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    if (options.no_standard_streams) {
        for (const int fd : {0, 1, 2}) ::close(fd);
    } else {
        const int input = ::open(options.input.c_str(), O_RDONLY | O_CLOEXEC);
        if (input >= 0) ::dup2(input, 0);
        ::dup2(out, 1);
        ::dup2(err, 2);
    }
    if (options.non_blocking)
        for (const int fd : {0, 1, 2}) ::fcntl(fd, F_SETFL, O_NONBLOCK);
    if (options.descriptors) {
        const rlimit limit{*options.descriptors, *options.descriptors};
        ::setrlimit(RLIMIT_NOFILE, &limit);
    }
    ::execvp(words[0], words);
    const int error = errno;
    [[maybe_unused]] const auto told = ::write(report, &error, sizeof error);
    ::_exit(127);
}

/// What really runs: a program of a build for another processor runs under that build's emulator.
std::vector<std::string> with_launcher(const std::vector<std::string>& words) {
    const auto& build = tested_build();
    if (!words.at(0).starts_with(build.directory)) return words;
    auto all = build.launcher;
    all.insert(all.end(), words.begin(), words.end());
    return all;
}

} // namespace

std::string ending::to_string() const {
    if (!by_signal) return fmt::format("exit status {}", number);
    return fmt::format("signal {} ({})", number, ::strsignal(number));
}

child::child(const std::vector<std::string>& words, const child_options& options)
    : wake_(check(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd")) {
    run(words, options);
    reader_ = std::thread([this] { read_all(); });
}

void child::run(const std::vector<std::string>& words, const child_options& options) {
    std::vector<std::string> copies = with_launcher(words);
    std::vector<char*> pointers;
    for (auto& word : copies) pointers.push_back(word.data());
    pointers.push_back(nullptr);

    pipe_pair out, err, report;
    if (options.full_err) fill(err.write);
    const pid_t parent = ::getpid();
    pid_ = check(::fork(), "fork");
    if (pid_ == 0)
        become(pointers.data(), options, parent, out.write.get(), err.write.get(),
               report.write.get());
    pidfd_ = open_process(pid_);
    report.write.reset();
    int error = 0;
    if (::read(report.read.get(), &error, sizeof error) == sizeof error) {
        ::waitpid(pid_, nullptr, 0);
        throw std::system_error(error, std::generic_category(), "exec " + words.at(0));
    }
    out_.pipe = std::move(out.read);
    (options.full_err ? full_ : err_.pipe) = std::move(err.read);
    err_.ended = options.full_err;
}

child::~child() {
    if (!ending_) {
        ::kill(-pid_, SIGKILL); // its own children too, if it has any
        wait_exit();
    }
    {
        const std::scoped_lock lock(mutex_);
        stop_ = true;
    }
    ::eventfd_write(wake_.get(), 1);
    reader_.join();
}

void child::signal(int number) const {
    if (!ending_) check(::kill(pid_, number), "kill");
}

std::optional<ending> child::wait_exit(milliseconds limit) {
    if (ending_) return ending_;
    pollfd ended{pidfd_.get(), POLLIN, 0};
    const deadline end(limit);
    while (::poll(&ended, 1, end.left_ms()) <= 0)
        if (end.over()) return std::nullopt;
    siginfo_t info{};
    const auto id = static_cast<id_t>(pid_);
    check(::waitid(P_PID, id, &info, WEXITED), "waitid");
    ending_ = ending{info.si_code != CLD_EXITED, info.si_status};
    // What it wrote last is still in the pipes; a child of its own may keep them open, though.
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::seconds(1), [this] { return out_.ended && err_.ended; });
    return ending_;
}

std::string child::text_of(const stream& from) const {
    const std::scoped_lock lock(mutex_);
    return from.text;
}

std::optional<std::string> child::wait_line(const std::string& start, milliseconds limit) {
    std::optional<std::string> rest;
    const auto found = [&] {
        std::istringstream lines(out_.text);
        for (std::string line; std::getline(lines, line) && !lines.eof();)
            if (line.starts_with(start)) rest = line.substr(start.size());
        return rest.has_value();
    };
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, limit, [&] { return found() || out_.ended; });
    return rest;
}

void child::stop_reading_err() {
    std::unique_lock lock(mutex_);
    drop_err_ = true;
    ::eventfd_write(wake_.get(), 1);
    changed_.wait_for(lock, must_happen, [this] { return err_.ended; });
}

void child::read_all() {
    while (true) {
        {
            const std::scoped_lock lock(mutex_);
            if (drop_err_ && err_.pipe) {
                err_.pipe.reset();
                err_.ended = true;
                changed_.notify_all();
            }
            if (stop_) return;
        }
        std::array<pollfd, 3> ready{pollfd{wake_.get(), POLLIN, 0},
                                    pollfd{out_.pipe.get(), POLLIN, 0},
                                    pollfd{err_.pipe.get(), POLLIN, 0}}; // -1 is skipped
        if (::poll(ready.data(), ready.size(), -1) < 0) continue;
        eventfd_t count = 0;
        if (ready[0].revents != 0) ::eventfd_read(wake_.get(), &count);
        if (ready[1].revents != 0 && !read_once(out_)) out_.pipe.reset();
        if (ready[2].revents != 0 && !read_once(err_)) err_.pipe.reset();
    }
}

bool child::read_once(stream& from) {
    std::array<char, 16384> buffer{};
    const auto count = ::read(from.pipe.get(), buffer.data(), buffer.size());
    const std::scoped_lock lock(mutex_);
    if (count > 0) from.text.append(buffer.data(), static_cast<std::size_t>(count));
    if (count == 0) from.ended = true;
    changed_.notify_all();
    return count != 0;
}

std::vector<std::string> split_words(const std::string& line) {
    std::istringstream in(line);
    std::vector<std::string> words;
    for (std::string word; in >> word;) words.push_back(word);
    return words;
}

} // namespace harness
