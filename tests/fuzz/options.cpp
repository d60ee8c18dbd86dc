/// \file
/// The command line: whatever the words are, the answer is options in their bounds, 0 or 2. The
/// words of an input are parted by newlines. Stage 5 has all the options that there are.

#include "stage5_coroutines/options.hpp"
#include "fuzz/fuzz.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

namespace {

/// Whatever the parser prints is not for us. Only while it runs: our own words are.
class silence {
public:
    silence() {
        std::fflush(nullptr);
        const int null = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
        for (int i = 0; i < 2; ++i) {
            saved_[i] = ::fcntl(i + 1, F_DUPFD_CLOEXEC, 10);
            if (null >= 0) ::dup2(null, i + 1);
        }
        ::close(null);
    }
    ~silence() {
        std::fflush(nullptr);
        for (int i = 0; i < 2; ++i) {
            ::dup2(saved_[i], i + 1);
            ::close(saved_[i]);
        }
    }
    silence(const silence&) = delete;
    silence& operator=(const silence&) = delete;

private:
    int saved_[2]{};
};

} // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string text(reinterpret_cast<const char*>(data), size);
    std::vector<std::string> words{"stage5_server"};
    for (std::size_t at = 0; at < text.size();) {
        const auto end = std::min(text.find('\n', at), text.size());
        words.push_back(text.substr(at, end - at));
        at = end + 1;
    }
    std::vector<const char*> argv;
    for (const auto& word : words) argv.push_back(word.c_str()); // what follows a NUL is lost
    const auto read = [&] {
        const silence quiet;
        return stage5::parse_options(static_cast<int>(argv.size()), argv.data());
    }();
    if (!read) {
        fuzz::must(read.error() == 0 || read.error() == 2, "another exit status");
        return 0;
    }
    fuzz::must(read->max_connections >= 1, "no connection at all");
    fuzz::must(read->threads <= 1024, "too many threads");
    for (const auto span : {read->grace, read->idle_timeout, read->write_timeout})
        fuzz::must(span.count() >= 0 && span.count() < 3'200'000'000'000'000'000,
                   "a span that can't be added to the present");
    return 0;
}
