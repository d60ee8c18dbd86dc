/// \file
/// Catch2's own `main`, the part that both versions have.

#if !__has_include(<catch2/catch_all.hpp>)
#define CATCH_CONFIG_RUNNER // 2.x compiles its implementation where this is set, and only there
#endif
#include "harness/catch.hpp"

#include "harness/catch_session.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>

namespace {

/// 9000 clients need 9000 descriptors, and a shell often starts with 1024.
void raise_descriptor_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
}

/// What our own parent left open must not look like a server's descriptor.
void keep_inherited_descriptors() {
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
        const int fd = std::stoi(entry.path().filename().string());
        if (fd > STDERR_FILENO) ::fcntl(fd, F_SETFD, FD_CLOEXEC);
    }
}

} // namespace

int harness::run_cases(const std::string& program, const std::vector<std::string>& arguments,
                       const std::string& otherwise) {
    raise_descriptor_limit();
    keep_inherited_descriptors();
    std::vector<const char*> words{program.c_str()};
    for (const auto& argument : arguments) words.push_back(argument.c_str());

    Catch::Session session;
    const int wrong = session.applyCommandLine(static_cast<int>(words.size()), words.data());
    if (wrong != 0) return 2;
    auto& config = session.configData();
    if (config.testsOrTags.empty() && !otherwise.empty()) config.testsOrTags.push_back(otherwise);
#if !__has_include(<catch2/catch_all.hpp>)
    // In 3.x, "~[cpu]" leaves the hidden cases out; 2.x needs "~[.]" for that.
    for (auto& selection : config.testsOrTags)
        if (selection.starts_with('~')) selection += "~[.]";
    // 3.x takes a selection without cases for a mistake; 2.x needs an option for that.
    config.warnings = static_cast<Catch::WarnAbout::What>(config.warnings |
                                                          Catch::WarnAbout::NoTests);
#endif
    return session.run();
}
