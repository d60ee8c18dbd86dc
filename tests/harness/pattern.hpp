#pragma once
/// \file
/// The bytes that clients send: a stream that looks random but is known at every offset, so
/// that 64 MiB can be checked without being kept, and a lost, doubled or swapped byte shows.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace harness {

/// An endless stream of bytes of all values, another one for each seed.
class pattern {
public:
    explicit pattern(std::uint64_t seed) noexcept : seed_(seed) {}

    /// Writes the bytes from `offset` on into `into`.
    void fill(std::span<char> into, std::uint64_t offset) const noexcept;
    /// The bytes [offset, offset + size).
    [[nodiscard]] std::string text(std::size_t size, std::uint64_t offset = 0) const;
    /// How many bytes at the beginning of what arrived are those from `offset` on.
    [[nodiscard]] std::size_t same(std::span<const char> arrived, std::uint64_t offset) const;
    /// Compares what arrived with the bytes from `offset` on.
    /// \return nothing, or where it differs and how
    [[nodiscard]] std::optional<std::string> difference(std::span<const char> arrived,
                                                        std::uint64_t offset) const;

private:
    std::uint64_t seed_;
};

/// Sizes of pieces between 1 and `most`, small ones as likely as large ones.
class random_sizes {
public:
    random_sizes(std::uint64_t seed, std::size_t most) noexcept : state_(seed), most_(most) {}
    std::size_t operator()() noexcept;

private:
    std::uint64_t state_;
    std::size_t most_;
};

} // namespace harness
