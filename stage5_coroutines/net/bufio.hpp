#pragma once
/// \file
/// A reader of lines, and a writer that collects them: the line echo's article. Go: package bufio.

#include "../runtime/task.hpp"
#include "conn.hpp"

#include <chrono>
#include <expected>
#include <functional>
#include <string>
#include <string_view>

namespace stage5::bufio {

/// The most bytes of a line, with its newline. A longer line is an error, so that a client can't
/// use up the memory.
inline constexpr std::size_t longest_line = 64 * 1024;

/// Reads lines. Keeps only bytes that are no complete line yet, so a connection that has sent whole
/// lines and is idle has no buffer. For one coroutine at a time. Go: bufio.Reader
class reader {
public:
    /// Refers to a connection, from which only this reader should read. Go: bufio.NewReader
    /// \param before_read is called before each read of the connection, to set its deadline
    explicit reader(net::conn from, std::function<void()> before_read = {})
        : from_(std::move(from)), before_read_(std::move(before_read)) {}

    /// Reads the next line, with its newline. At the end of the stream gives what came after the
    /// last newline, then empty lines. A line is valid until the next call.
    /// Go: Reader.ReadString('\n')
    task<std::expected<std::string_view, net::error>> read_line();
    /// True if read_line() has failed because the line is longer than longest_line.
    [[nodiscard]] bool is_line_too_long() const { return buffered().size() == longest_line; }
    /// True if read_line() would not wait, because a whole line has been read already.
    [[nodiscard]] bool has_line() const { return buffered().contains('\n'); }
    /// Returns the bytes that have been read and not yet returned as lines. Go: Reader.Buffered,
    /// Peek
    [[nodiscard]] std::string_view buffered() const {
        return std::string_view(bytes_).substr(taken_);
    }

private:
    net::conn from_;
    std::function<void()> before_read_;
    std::string bytes_;
    std::size_t taken_ = 0;
};

/// Collects what is written, until flush() or until there are more than 4 KiB. Go: bufio.Writer
class writer {
public:
    /// \param timeout as for conn::write
    explicit writer(net::conn to, std::chrono::nanoseconds timeout = {})
        : to_(std::move(to)), timeout_(timeout) {}

    /// Writes `bytes`, or keeps them for later. Go: Writer.WriteString
    task<std::expected<void, net::error>> write(std::string_view bytes);
    /// Writes what has been collected. Go: Writer.Flush
    task<std::expected<void, net::error>> flush();

private:
    net::conn to_;
    std::chrono::nanoseconds timeout_;
    std::string bytes_;
};

} // namespace stage5::bufio
