#pragma once
/// \file
/// Looking up a name without keeping a worker. Go: net/cgo_unix.go.

#include "address.hpp"
#include "scheduler.hpp"
#include "task.hpp"

#include <expected>
#include <optional>
#include <string>
#include <vector>

namespace stage5::net {

/// The addresses of a name, or why there are none.
using lookup = std::expected<std::vector<address>, std::string>;

/// Looks up a name in a thread of its own, because getaddrinfo blocks until there is an answer. An
/// answer that comes when the scheduler is gone is dropped. Go: cgoLookupIP
/// \return nothing if it is too late
task<std::optional<lookup>> lookup_host(endpoint where, time_point until);

} // namespace stage5::net
