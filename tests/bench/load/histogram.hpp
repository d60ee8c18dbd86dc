#pragma once
/// \file
/// How long things took, kept so that a hundred million of them take 37 KiB and every percentile is
/// known to better than one percent: the idea of HdrHistogram, in as much as is needed here.

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace bench {

/// Counts of values, in buckets that are linear within each power of two. Values below 256 are
/// exact; above, a bucket is at most 1/128 of its value wide and answers with its middle.
class histogram {
public:
    void add(std::int64_t value) noexcept {
        const auto kept = static_cast<std::uint64_t>(std::clamp<std::int64_t>(value, 0, most));
        ++counts_[bucket_of(kept)];
        ++count_;
        sum_ += static_cast<double>(kept);
        max_ = std::max(max_, kept);
    }

    void clear() noexcept { *this = {}; }

    [[nodiscard]] std::uint64_t count() const noexcept { return count_; }
    [[nodiscard]] std::uint64_t max() const noexcept { return max_; }
    [[nodiscard]] double mean() const noexcept {
        return count_ == 0 ? 0 : sum_ / static_cast<double>(count_);
    }

    /// The value that `share` of all values do not exceed: percentile(0.99). 0 if there are none.
    [[nodiscard]] std::uint64_t percentile(double share) const noexcept {
        const double wanted = std::max(1.0, std::ceil(share * static_cast<double>(count_)));
        std::uint64_t seen = 0;
        for (std::size_t bucket = 0; bucket < counts_.size(); ++bucket) {
            seen += counts_[bucket];
            if (static_cast<double>(seen) >= wanted) return std::min(middle_of(bucket), max_);
        }
        return max_;
    }

    static constexpr std::int64_t most = (std::int64_t{1} << 42) - 1; ///< over an hour, in ns

private:
    static constexpr unsigned bits = 7; // a power of two is cut into 128 buckets
    static constexpr std::size_t half = std::size_t{1} << bits;

    /// The bucket's number is the value's highest eight bits, after how far they were shifted.
    static std::size_t bucket_of(std::uint64_t value) noexcept {
        const auto width = static_cast<unsigned>(std::bit_width(value));
        const unsigned shift = width > bits + 1 ? width - bits - 1 : 0;
        return shift * half + static_cast<std::size_t>(value >> shift);
    }
    static std::uint64_t middle_of(std::size_t bucket) noexcept {
        const std::size_t shift = bucket < 2 * half ? 0 : bucket / half - 1;
        const std::uint64_t low = std::uint64_t{bucket - shift * half} << shift;
        return low + ((std::uint64_t{1} << shift) >> 1U);
    }

    std::array<std::uint64_t, (42 - bits) * half + half> counts_{};
    std::uint64_t count_ = 0, max_ = 0;
    double sum_ = 0;
};

} // namespace bench
