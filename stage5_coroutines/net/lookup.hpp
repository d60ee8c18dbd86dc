#pragma once
/// \file
/// Looks up names without blocking a worker. Go: net/cgo_unix.go.

#include "../runtime/scheduler.hpp"
#include "../runtime/task.hpp"
#include "../runtime/time.hpp"
#include "resolve.hpp"

#include <expected>
#include <optional>
#include <string>
#include <vector>

namespace stage5::net {

/// The addresses of a name, or in words why there are none.
using lookup = std::expected<std::vector<address>, std::string>;

/// Looks up a name. getaddrinfo blocks until there is an answer, so it runs in a thread of its own.
/// An answer that comes when the scheduler is gone is dropped. Go: cgoLookupIP
/// \return nothing if there is no answer by `until`
task<std::optional<lookup>> lookup_host(endpoint where, time_point until);

} // namespace stage5::net
