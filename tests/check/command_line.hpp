#pragma once
/// \file
/// How the ladder is called.

#include <optional>
#include <span>
#include <stdexcept>
#include <string>

namespace check {

/// What was asked for.
struct orders {
    std::string server;        ///< a command with {port}, or HOST:PORT
    bool runs_already = false; ///< it is HOST:PORT
    std::optional<int> only;   ///< --rung
    bool all = false;          ///< --all
    bool json = false;         ///< --json
    bool help = false;         ///< --help
};

/// A command line that can't be read. The text is one line, in the chosen language.
class misuse : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// Reads the words behind the program's name. \throws misuse
orders read_orders(std::span<char*> words);

/// What --help prints.
std::string usage();

} // namespace check
