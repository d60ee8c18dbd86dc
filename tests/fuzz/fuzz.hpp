#pragma once
/// \file
/// What all fuzzers share: an input that is read piece by piece, and a way to say that something
/// is wrong. Each fuzzer is one function, which libFuzzer calls (`./dev fuzz NAME`), or
/// replay.cpp's `main` where there is no libFuzzer.

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string_view>

/// \return 0
// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's own name for it
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace fuzz {

/// Ends the process if `holds` does not.
inline void must(bool holds, const char* what) {
    if (holds) return;
    std::fprintf(stderr, "fuzz: %s\n", what);
    std::abort();
}

/// Takes numbers off an input; there are zeros behind its end.
class input {
public:
    input(const std::uint8_t* data, std::size_t size) : rest_(data, size) {}

    [[nodiscard]] bool empty() const { return rest_.empty(); }
    std::uint8_t byte() {
        if (rest_.empty()) return 0;
        const auto first = rest_.front();
        rest_ = rest_.subspan(1);
        return first;
    }
    std::uint32_t below(std::uint32_t end) { return byte() % end; }
    [[nodiscard]] std::string_view text() const {
        return {reinterpret_cast<const char*>(rest_.data()), rest_.size()};
    }

private:
    std::span<const std::uint8_t> rest_;
};

} // namespace fuzz
