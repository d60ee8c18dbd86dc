#pragma once
/// \file
/// What takes the place of std::atomic in the protocols: every operation is a step of the actor
/// that does it, sequentially consistent as those of the protocols are.

#include "explorer.hpp"

#include <stdexcept>

namespace model {

/// How many have been made.
inline std::size_t made = 0;

/// Has no value of its own: the n-th one that was made names the n-th atomic of the world.
template <typename T>
class atomic {
public:
    /// \param initial must be 0, as the world's atomics are
    atomic(T initial = 0) {
        if (initial != 0) throw std::invalid_argument("initial value");
    }
    [[nodiscard]] T load() const {
        return operate(
            "load", [](T) {}, *this);
    }
    void store(T wanted) {
        operate(
            "store", [=](T& value) { value = wanted; }, *this);
    }
    T exchange(T wanted) {
        return operate(
            "exchange", [=](T& value) { value = wanted; }, *this);
    }
    T fetch_add(T more) {
        return operate(
            "add", [=](T& value) { value = static_cast<T>(value + more); }, *this);
    }
    T fetch_sub(T less) {
        return operate(
            "subtract", [=](T& value) { value = static_cast<T>(value - less); }, *this);
    }
    T fetch_or(T bits) {
        return operate(
            "or", [=](T& value) { value |= bits; }, *this);
    }
    T fetch_and(T bits) {
        return operate(
            "and", [=](T& value) { value &= bits; }, *this);
    }
    bool compare_exchange_strong(T& expected, T wanted) {
        const T compare = expected;
        const auto swap = [=](T& value) {
            if (value == compare) value = wanted;
        };
        expected = operate("compare and swap", swap, *this);
        return expected == compare;
    }

private:
    static std::size_t next_place() { return made++; }

    template <typename Operation>
    static T operate(const char* name, Operation operation, const atomic& on) {
        const auto action = [=, place = on.place_](world& w) {
            const auto before = w.atomic[place];
            T value = static_cast<T>(before);
            operation(value);
            w.atomic[place] = kept(place, static_cast<std::uint64_t>(value));
            return before;
        };
        return static_cast<T>(is_private(on.place_) ? at_once(action)
                                                    : step({name, on.place_}, {}, action));
    }

    std::size_t place_ = next_place();
};

} // namespace model
