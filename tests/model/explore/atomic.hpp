#pragma once
/// \file
/// What takes the place of std::atomic in the protocols: every operation is a step of the actor
/// that does it, sequentially consistent as those of the protocols are. A step knows the line of
/// the protocol's header that makes it.

#include "explorer.hpp"

#include <source_location>
#include <stdexcept>

namespace model {

/// How many have been made.
inline std::size_t made = 0;

/// Has no value of its own: the n-th one that was made names the n-th atomic of the world.
template <typename T>
class atomic {
    using place = std::source_location;

public:
    /// \param initial must be 0, as the world's atomics are
    atomic(T initial = 0) {
        if (initial != 0) throw std::invalid_argument("initial value");
    }
    [[nodiscard]] T load(place at = place::current()) const {
        return operate(
            "load", [](T) {}, *this, at);
    }
    void store(T wanted, place at = place::current()) {
        operate(
            "store", [=](T& value) { value = wanted; }, *this, at);
    }
    T exchange(T wanted, place at = place::current()) {
        return operate(
            "exchange", [=](T& value) { value = wanted; }, *this, at);
    }
    T fetch_add(T more, place at = place::current()) {
        return operate(
            "add", [=](T& value) { value = static_cast<T>(value + more); }, *this, at);
    }
    T fetch_sub(T less, place at = place::current()) {
        return operate(
            "subtract", [=](T& value) { value = static_cast<T>(value - less); }, *this, at);
    }
    T fetch_or(T bits, place at = place::current()) {
        return operate(
            "or", [=](T& value) { value |= bits; }, *this, at);
    }
    T fetch_and(T bits, place at = place::current()) {
        return operate(
            "and", [=](T& value) { value &= bits; }, *this, at);
    }
    bool compare_exchange_strong(T& expected, T wanted, place at = place::current()) {
        const T compare = expected;
        const auto swap = [=](T& value) {
            if (value == compare) value = wanted;
        };
        expected = operate("compare and swap", swap, *this, at);
        return expected == compare;
    }

private:
    static std::size_t next_number() { return made++; }

    template <typename Operation>
    static T operate(const char* name, Operation operation, const atomic& on, place at) {
        const auto action = [=, number = on.number_](world& w) {
            const auto before = w.atomic[number];
            T value = static_cast<T>(before);
            operation(value);
            w.atomic[number] = kept(number, static_cast<std::uint64_t>(value));
            return before;
        };
        return static_cast<T>(is_private(on.number_)
                                  ? at_once(action)
                                  : step({name, on.number_, at.line()}, {}, action));
    }

    std::size_t number_ = next_number();
};

} // namespace model
