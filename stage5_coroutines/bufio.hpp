#pragma once
/// \file
/// A reader that knows lines and a writer that collects them: the line echo's article.
/// Go: package bufio.

#include "net.hpp"
#include "task.hpp"

#include <chrono>
#include <expected>
#include <functional>
#include <string>
#include <string_view>

namespace stage5::bufio {

/// The longest line, with its newline. A longer one is an error, and not memory.
inline constexpr std::size_t longest_line = 64 * 1024;

/// Reads lines. Only what belongs to none yet is kept: a connection that has sent whole lines and
/// waits has no buffer. One coroutine at a time. Go: bufio.Reader
class reader {
public:
    /// Shares the connection; nobody else should read from it. Go: bufio.NewReader
    /// \param before_read is called before each read of the connection: to set its deadline
    explicit reader(net::conn from, std::function<void()> before_read = {})
        : from_(std::move(from)), before_read_(std::move(before_read)) {}

    /// The next line with its newline, valid until the next call; at the end of the stream what
    /// was left, then nothing. Go: Reader.ReadString('\n')
    task<std::expected<std::string_view, net::error>> read_line();
    /// True if read_line() has failed because the line is longer than longest_line.
    [[nodiscard]] bool is_line_too_long() const { return buffered().size() == longest_line; }
    /// Whether read_line() would not have to wait.
    [[nodiscard]] bool has_line() const { return buffered().contains('\n'); }
    /// What has been read and not been asked for. Go: Reader.Buffered, Peek
    [[nodiscard]] std::string_view buffered() const {
        return std::string_view(bytes_).substr(taken_);
    }

private:
    net::conn from_;
    std::function<void()> before_read_;
    std::string bytes_;
    std::size_t taken_ = 0;
};

/// Collects what is written until it is flushed or there is much of it. Go: bufio.Writer
class writer {
public:
    /// \param patience as for conn::write
    explicit writer(net::conn to, std::chrono::nanoseconds patience = {})
        : to_(std::move(to)), patience_(patience) {}

    /// Go: Writer.WriteString
    task<std::expected<void, net::error>> write(std::string_view bytes);
    /// Go: Writer.Flush
    task<std::expected<void, net::error>> flush();

private:
    net::conn to_;
    std::chrono::nanoseconds patience_;
    std::string bytes_;
};

} // namespace stage5::bufio
