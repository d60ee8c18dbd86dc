/// \file
/// The file of `--trace`: a JSON array with one event per line. If the process was killed, the
/// closing bracket is missing; viewers accept such a file.

#include "trace.hpp"

#include <fmt/core.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <mutex>
#include <new>
#include <string_view>

namespace stage5::trace {
namespace {

/// The open file. All threads write to it, one line at a time.
class recording {
public:
    recording() noexcept = default;
    bool open(const std::string& name) {
        file_ = std::fopen(name.c_str(), "we");
        if (file_ == nullptr) return false;
        began_ = clock::now();
        fmt::print(file_, R"([{{"name":"process_name","ph":"M","pid":{},)", ::getpid());
        fmt::print(file_, R"("args":{{"name":"stage5_server"}}}})");
        return true;
    }

    ~recording() {
        if (file_ == nullptr) return;
        std::fputs("\n]\n", file_);
        const bool is_whole = std::ferror(file_) == 0;
        if (std::fclose(file_) != 0 || !is_whole)
            std::fputs("stage5_server: the trace is not whole\n", stderr);
    }

    /// Writes one event. Thread-safe.
    /// \param what the JSON members of its name, kind and time
    /// \param arguments the JSON members of its "args"
    void write(std::string_view what, std::string_view arguments) {
        const auto line = fmt::format(",\n{{{},\"pid\":{},\"tid\":{},\"args\":{{{}}}}}", what,
                                      ::getpid(), ::gettid(), arguments);
        const std::lock_guard lock(mutex_);
        std::fputs(line.c_str(), file_);
    }

    /// Returns the time of `when` in microseconds since the start, as the file's format wants it.
    [[nodiscard]] double since_start(clock::time_point when) const {
        return std::chrono::duration<double, std::micro>(when - began_).count();
    }

private:
    std::FILE* file_ = nullptr;
    clock::time_point began_;
    std::mutex mutex_;
};

recording the_recording;

std::string describe(subject whom, source_line at) {
    const std::string_view path = at.file_name();
    auto text = fmt::format(R"("at":"{}:{}")", path.substr(path.rfind('/') + 1), at.line());
    if (whom.fd >= 0) text += fmt::format(R"(,"fd":{})", whom.fd);
    if (whom.waiter != nullptr) text += fmt::format(R"(,"waiter":"{}")", whom.waiter);
    return text;
}

} // namespace

std::expected<void, syscall_error> start(const std::string& file) {
    if (!the_recording.open(file)) return std::unexpected(syscall_error{"open", errno});
    on = true;
    return {};
}

void write_event(const char* what, subject whom, source_line at) {
    const int kept = errno;
    try {
        the_recording.write(fmt::format(R"("name":"{}","ph":"i","s":"t","ts":{:.3f})", what,
                                        the_recording.since_start(clock::now())),
                            describe(whom, at));
    } catch (const std::bad_alloc&) {
        // No memory for the line: only the line is lost.
    }
    errno = kept;
}

void write_span(const char* what, subject whom, clock::time_point began, const std::int64_t* result,
                source_line at) {
    const int kept = errno;
    try {
        const double start = the_recording.since_start(began);
        const double end = the_recording.since_start(clock::now());
        auto arguments = describe(whom, at);
        if (result != nullptr) arguments += fmt::format(R"(,"result":{})", *result);
        if (result != nullptr && *result < 0)
            arguments += fmt::format(R"(,"errno":"{}")", ::strerrorname_np(kept));
        the_recording.write(fmt::format(R"("name":"{}","ph":"X","ts":{:.3f},"dur":{:.3f})", what,
                                        start, end - start),
                            arguments);
    } catch (const std::bad_alloc&) {
        // No memory for the line: only the line is lost.
    }
    errno = kept;
}

} // namespace stage5::trace
