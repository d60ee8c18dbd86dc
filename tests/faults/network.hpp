#pragma once
/// \file
/// A network that can be unplugged: the servers of this process live at one end of a cable, its
/// clients at the other, each in a network namespace of its own. Nobody else's network is touched.

#include "harness/endpoint.hpp"
#include "harness/unique_fd.hpp"

#include <functional>
#include <string>

namespace faults_tests {

/// Once made, it lasts as long as the process, which stays at the servers' end.
class network {
public:
    /// \throws harness::failure with the reason, where the system does not let us have one
    network();

    /// Runs `what` at the clients' end. A socket that it opens stays there.
    void at_far_end(const std::function<void()>& what) const;
    /// Where a client at the far end finds a server of ours.
    [[nodiscard]] static harness::endpoint near_end(std::uint16_t port);

    /// From here on nothing arrives at either end, and neither end is notified.
    void unplug() const;
    void plug_in() const;

private:
    harness::unique_fd far_;
};

/// The network, plugged in; nothing where there can't be one, which is then said aloud.
const network* try_network();

} // namespace faults_tests
