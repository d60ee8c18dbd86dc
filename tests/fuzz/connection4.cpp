/// \file
/// Stage 4's server and clients that follow a script (conversation.hpp).

#include "fuzz/conversation.hpp"
#include "stage4_epoll_et/server.hpp"
#include "stage4_epoll_et/signals.hpp"

namespace {

const stage4::listener& door(bool tcp) {
    static const auto at_tcp = stage4::listen({"tcp", "127.0.0.1", 0}).value();
    static const auto at_unix = stage4::listen({"unix", fuzz::unix_name(), 0}).value();
    return tcp ? at_tcp : at_unix;
}

} // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    stage4::end_on_stop_signals();
    fuzz::conversation talk({data, size});
    const auto& at = door(talk.how().tcp);
    talk.begin(at.fd.get(), &at.local.any, at.local.length);

    stage4::options how;
    how.max_connections = talk.how().most;
    how.grace = talk.how().grace;
    how.idle_timeout = talk.how().idle;
    how.write_timeout = talk.how().write;
    fuzz::must(stage4::serve(fuzz::copy_of(at), how, [] {}).has_value(), "the server failed");
    return 0;
}
