/// \file
/// The command line: whatever the words are, the answer is options in their bounds, 0 or 2. The
/// words of an input are parted by newlines. Stage 5 has all the options that there are.

#include "stage5_coroutines/options.hpp"
#include "fuzz/fuzz.hpp"
#include "stage5_coroutines/syscall/trace.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <string>
#include <vector>

namespace {

/// Nobody hears it.
std::FILE* nowhere() {
    static std::FILE* const file = [] {
        const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
        fuzz::must(null >= 0, "no /dev/null");
        return ::fdopen(null, "w");
    }();
    return file;
}

bool parsing = false;

/// Whatever the parser prints is not for us. Only while it runs: our own words are. No system call
/// is made for it, which would take longer than the parser.
class silence {
public:
    silence() {
        stderr = nowhere();
        parsing = true;
    }
    ~silence() {
        parsing = false;
        stderr = stderr_;
        std::cout.rdbuf(cout_);
        std::cerr.rdbuf(cerr_);
    }
    silence(const silence&) = delete;
    silence& operator=(const silence&) = delete;

private:
    std::FILE* stderr_ = stderr; // a variable, in the GNU C library
    std::streambuf* cout_ = std::cout.rdbuf(nullptr);
    std::streambuf* cerr_ = std::cerr.rdbuf(nullptr);
};

} // namespace

/// The linker takes this one: the words of `--trace` name no file that would really be written.
extern "C" std::FILE* fopen(const char* name, const char* mode) {
    if (parsing) return *name == '\0' ? nullptr : nowhere();
    const int flags = *mode == 'r' ? O_RDONLY
                                   : O_WRONLY | O_CREAT | (*mode == 'a' ? O_APPEND : O_TRUNC);
    const int fd = ::open(name, flags | O_CLOEXEC, 0666);
    return fd < 0 ? nullptr : ::fdopen(fd, mode);
}

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
