/// \file
/// The bytes at any offset are a hash of the seed and the offset: splitmix64, eight at a time.

#include "harness/pattern.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

namespace harness {
namespace {

std::uint64_t mix(std::uint64_t x) noexcept {
    x += 0x9e3779b97f4a7c15U;
    x = (x ^ (x >> 30U)) * 0xbf58476d1ce4e5b9U;
    x = (x ^ (x >> 27U)) * 0x94d049bb133111ebU;
    return x ^ (x >> 31U);
}

} // namespace

void pattern::fill(std::span<char> into, std::uint64_t offset) const noexcept {
    std::size_t done = 0;
    while (done < into.size()) {
        const std::uint64_t at = offset + done;
        const auto word = std::bit_cast<std::array<char, 8>>(mix(mix(seed_) + at / 8));
        const std::size_t skip = at % 8;
        const std::size_t count = std::min(word.size() - skip, into.size() - done);
        std::memcpy(into.data() + done, word.data() + skip, count);
        done += count;
    }
}

std::string pattern::text(std::size_t size, std::uint64_t offset) const {
    std::string bytes(size, '\0');
    fill(bytes, offset);
    return bytes;
}

std::size_t pattern::same(std::span<const char> arrived, std::uint64_t offset) const {
    const std::string expected = text(arrived.size(), offset);
    const auto differs = std::mismatch(arrived.begin(), arrived.end(), expected.begin()).first;
    return static_cast<std::size_t>(differs - arrived.begin());
}

std::optional<std::string> pattern::difference(std::span<const char> arrived,
                                               std::uint64_t offset) const {
    const auto at = same(arrived, offset);
    if (at == arrived.size()) return std::nullopt;
    return fmt::format("byte {} came back as {:#04x}, sent as {:#04x}", offset + at,
                       static_cast<unsigned char>(arrived[at]),
                       static_cast<unsigned char>(text(1, offset + at)[0]));
}

std::size_t random_sizes::operator()() noexcept {
    state_ = mix(state_);
    // A random number of bits first: 1 to 3 bytes come up as often as 16 to 64 KiB.
    const auto bits = state_ % static_cast<unsigned>(std::bit_width(most_ | 1U));
    const std::uint64_t top = std::uint64_t{2} << bits;
    return std::clamp<std::size_t>((state_ >> 8U) % top, 1, most_);
}

} // namespace harness
