/// \file
/// Without libFuzzer: runs the kept inputs, then as many made-up ones as fit into five seconds:
/// kept ones with some bytes changed, and noise. A clock interrupts calls, as libFuzzer's does. A
/// failure can be repeated with the seed that is printed, or with the input, which is left in the
/// directory for temporary files.
///
///     fuzz_NAME CORPUS|FILE [SEED]

#include "fuzz/fuzz.hpp"

#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

namespace {

using bytes = std::vector<std::uint8_t>;
namespace fs = std::filesystem;

constexpr std::size_t longest = 300;
constexpr std::size_t most = 20'000;
constexpr auto time_limit = std::chrono::seconds(5);

const bytes* running = nullptr; ///< the input that is written to a file if it fails

extern "C" void tell_input(int) {
    static const char* const path = "/tmp/fuzz-replay-failure";
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(running->data()),
               static_cast<std::streamsize>(running->size()));
    static constexpr char text[] = "the input is in /tmp/fuzz-replay-failure\n";
    [[maybe_unused]] const auto told = ::write(2, text, sizeof text - 1);
    std::signal(SIGABRT, SIG_DFL);
    std::raise(SIGABRT);
}

/// A blocking call then fails with EINTR, because SA_RESTART is not set.
void interrupt_every_millisecond() {
    struct sigaction tick {};
    tick.sa_handler = [](int) {};
    ::sigaction(SIGALRM, &tick, nullptr);
    const itimerval clock{{0, 1000}, {0, 1000}};
    ::setitimer(ITIMER_REAL, &clock, nullptr);
}

void run(const bytes& one) {
    running = &one;
    LLVMFuzzerTestOneInput(one.data(), one.size());
}

bytes read(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

bytes make_up(const std::vector<bytes>& kept, std::mt19937_64& random) {
    bytes made;
    if (!kept.empty() && random() % 4 != 0) made = kept[random() % kept.size()];
    if (made.empty()) made.resize(random() % longest);
    const auto noise = made.empty() ? 0 : random() % 8;
    for (std::size_t i = 0; i < noise; ++i)
        made[random() % made.size()] = static_cast<std::uint8_t>(random());
    if (random() % 4 == 0) made.resize(random() % (made.size() + 1));
    if (random() % 4 == 0 && !kept.empty()) {
        const auto& other = kept[random() % kept.size()];
        made.insert(made.end(), other.begin(), other.end());
    }
    made.resize(std::min(made.size(), longest));
    return made;
}

} // namespace

int main(int count, char** words) {
    if (count < 2) {
        std::fprintf(stderr, "%s CORPUS|FILE [SEED]\n", words[0]);
        return 2;
    }
    if (std::getenv("FUZZ_BREAK") == nullptr) std::signal(SIGABRT, &tell_input);
    interrupt_every_millisecond();
    std::vector<bytes> kept;
    if (fs::is_directory(words[1]))
        for (const auto& entry : fs::directory_iterator(words[1]))
            kept.push_back(read(entry.path()));
    else
        kept.push_back(read(words[1]));
    for (const auto& each : kept) run(each);

    const std::uint64_t seed = count > 2 ? std::strtoull(words[2], nullptr, 10)
                                         : std::random_device{}();
    std::printf("%zu kept inputs; seed %llu\n", kept.size(), static_cast<unsigned long long>(seed));
    std::fflush(stdout);
    std::mt19937_64 random(seed);
    std::size_t runs = 0;
    for (const auto end = std::chrono::steady_clock::now() + time_limit;
         runs < most && std::chrono::steady_clock::now() < end; ++runs)
        run(make_up(kept, random));
    std::printf("%zu made-up inputs\n", runs);
    return kept.empty() ? 1 : 0;
}
