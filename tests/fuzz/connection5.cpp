/// \file
/// Stage 5's server and clients that follow a script (conversation.hpp), on one thread.

#include "fuzz/conversation.hpp"
#include "stage5_coroutines/runtime/frame_cache.hpp"
#include "stage5_coroutines/server.hpp"
#include "stage5_coroutines/signals.hpp"

namespace {

const stage5::listener& door(bool tcp) {
    static const auto at_tcp = stage5::listen({"tcp", "127.0.0.1", 0}).value();
    static const auto at_unix = stage5::listen({"unix", fuzz::unix_name(), 0}).value();
    return tcp ? at_tcp : at_unix;
}

} // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    stage5::end_on_stop_signals();
    const long frames = stage5::frame_cache::live();
    {
        fuzz::conversation talk({data, size});
        const auto& at = door(talk.how().tcp);
        talk.begin(at.fd.get(), &at.local.any, at.local.length);

        stage5::options how;
        how.threads = 1;
        how.mode = talk.how().lines ? stage5::echo_mode::lines : stage5::echo_mode::bytes;
        how.max_connections = talk.how().most;
        how.grace = talk.how().grace;
        how.idle_timeout = talk.how().idle;
        how.write_timeout = talk.how().write;
        fuzz::must(stage5::serve(fuzz::copy_of(at), how, [] {}).has_value(), "the server failed");
    }
    if (fuzz::broken("frame")) static_cast<void>(stage5::frame_cache::allocate(64));
    fuzz::must(stage5::frame_cache::live() == frames, "a coroutine is left");
    return 0;
}
