#pragma once
/// \file
/// A program run as a child: its output is read all the time, so that it never waits for us, and
/// it ends with the test, however the test ends.

#include "harness/limits.hpp"
#include "harness/unique_fd.hpp"

#include <sys/resource.h>
#include <sys/types.h>

#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace harness {

/// What a child starts with.
struct child_options {
    std::optional<rlim_t> descriptors = {}; ///< RLIMIT_NOFILE, soft and hard
    bool no_standard_streams = false;       ///< descriptors 0 to 2 closed
    std::string input = "/dev/null";        ///< the file that it reads as its standard input
    bool non_blocking = false;              ///< standard input, output and error don't block
    bool full_err = false; ///< its standard error is a full pipe that nothing reads
};

/// How a process ended.
struct ending {
    bool by_signal = false;
    int number = 0; ///< the exit status, or the signal

    [[nodiscard]] bool ok() const { return !by_signal && number == 0; }
    /// "exit status 1", "signal 13 (Broken pipe)"
    [[nodiscard]] std::string to_string() const;
};

/// A running program. Not thread-safe; its destructor kills it and all of its process group.
class child {
public:
    /// Runs `words[0]`, looked up in PATH, with the default action for every signal.
    /// \throws std::system_error if it can't be run
    explicit child(const std::vector<std::string>& words, const child_options& options = {});
    ~child();
    child(const child&) = delete;
    child& operator=(const child&) = delete;

    [[nodiscard]] pid_t pid() const { return pid_; }
    void signal(int number) const;

    /// Waits for the end. \return nothing if it still runs after `limit`
    std::optional<ending> wait_exit(milliseconds limit = must_happen);
    [[nodiscard]] bool running() { return !wait_exit(milliseconds(0)); }

    /// What it has written so far; all of it, once it has ended.
    [[nodiscard]] std::string out() const { return text_of(out_); }
    [[nodiscard]] std::string err() const { return text_of(err_); }
    /// Waits until its standard output has a whole line that begins with `start`.
    /// \return the rest of that line, or nothing at the end of the output or of the limit
    std::optional<std::string> wait_line(const std::string& start, milliseconds limit);
    /// From now on its standard error is a pipe that nobody reads: writing to it is EPIPE.
    void stop_reading_err();

private:
    struct stream {
        unique_fd pipe; // the reader's alone once it runs
        std::string text;
        bool ended = false;
    };
    [[nodiscard]] std::string text_of(const stream& from) const;
    void run(const std::vector<std::string>& words, const child_options& options);
    void read_all();
    bool read_once(stream& from);

    pid_t pid_ = -1;
    unique_fd pidfd_;
    unique_fd wake_; // eventfd: the reader looks at the two flags below
    unique_fd full_; // the end of a full pipe that is not read
    std::optional<ending> ending_;

    mutable std::mutex mutex_; // protects text and ended of both streams, and the flags
    mutable std::condition_variable changed_;
    stream out_;
    stream err_;
    bool stop_ = false;
    bool drop_err_ = false;
    std::thread reader_;
};

/// The words of a command line, parted at spaces; there is no quoting.
std::vector<std::string> split_words(const std::string& line);

} // namespace harness
