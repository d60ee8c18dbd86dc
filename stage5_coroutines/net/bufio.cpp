/// \file
/// How a line is found, and when collected bytes are written.

#include "bufio.hpp"

#include <array>
#include <cstdint>
#include <span>
#include <utility>

namespace stage5::bufio {
namespace {

constexpr std::size_t max_collected = 4096; ///< Go: defaultBufSize

/// Frees the memory of a string, which assigning an empty one would not do.
void release(std::string& bytes) {
    std::string().swap(bytes);
}

} // namespace

// [read_line]
task<std::expected<std::string_view, net::error>> reader::read_line() {
    std::size_t seen = 0; // these bytes have no newline
    while (true) {
        const auto newline = buffered().find('\n', seen);
        seen = buffered().size();
        if (newline != std::string_view::npos) {
            const auto line = buffered().substr(0, newline + 1);
            taken_ += line.size();
            co_return line;
        }
        bytes_.erase(0, std::exchange(taken_, 0));
        if (seen == 0) release(bytes_); // an idle client needs no memory
        if (seen == longest_line)
            co_return std::unexpected(
                net::failure(*from_.socket(), "read", "bufio: line too long"));
        if (before_read_) before_read_();
        const auto more = co_await from_.read(static_cast<std::uint32_t>(longest_line - seen));
        if (!more) co_return std::unexpected(more.error());
        if (more->empty()) {
            taken_ = seen;
            co_return std::string_view(bytes_);
        }
        bytes_.append(more->data(), more->size());
    }
}
// [read_line]

task<std::expected<void, net::error>> writer::write(std::string_view bytes) {
    if (bytes_.size() + bytes.size() <= max_collected) {
        bytes_ += bytes;
        co_return {};
    }
    const std::array<std::span<const char>, 2> all{bytes_, bytes};
    const auto written = co_await to_.writev(all, timeout_);
    bytes_.clear();
    if (!written) co_return std::unexpected(written.error());
    co_return {};
}

task<std::expected<void, net::error>> writer::flush() {
    const auto written = co_await to_.write(bytes_, timeout_);
    release(bytes_); // an idle client needs no memory
    if (!written) co_return std::unexpected(written.error());
    co_return {};
}

} // namespace stage5::bufio
