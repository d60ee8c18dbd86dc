/// \file
/// Stage 3's server and clients that follow a script (conversation.hpp).

#include "fuzz/conversation.hpp"
#include "stage3_epoll_lt/server.hpp"
#include "stage3_epoll_lt/signals.hpp"

namespace {

const stage3::listener& door(bool tcp) {
    static const auto at_tcp = stage3::listen({"tcp", "127.0.0.1", 0}).value();
    static const auto at_unix = stage3::listen({"unix", fuzz::unix_name(), 0}).value();
    return tcp ? at_tcp : at_unix;
}

} // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    stage3::end_on_stop_signals();
    fuzz::conversation talk({data, size});
    const auto& at = door(talk.how().tcp);
    talk.begin(at.fd.get(), &at.local.any, at.local.length);

    stage3::options how;
    how.max_connections = talk.how().most;
    how.grace = talk.how().grace;
    fuzz::must(stage3::serve(fuzz::copy_of(at), how, [] {}).has_value(), "the server failed");
    return 0;
}
