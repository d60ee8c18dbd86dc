/// \file
/// Looking, and writing down.

#include "faults/soak_record.hpp"

#include "harness/proc.hpp"
#include "harness/programs.hpp"

#include <fmt/format.h>

#include <cstdlib>

using namespace harness;

namespace faults_tests {

watched_server::watched_server(int stage) {
    ::setenv("FRAMES", directory_.file("frames").c_str(), 1);
    server_ = server::ours(
        stage == 5 ? build_program("tests/faults/stage5_counted") : stage_program(stage), {});
    ::unsetenv("FRAMES");
    begin();
}

void watched_server::begin() {
    began_ = last_ = steady::now();
    used_ = cpu_time(server_->pid());
}

sample watched_server::look() {
    const auto now = steady::now();
    const auto used = cpu_time(server_->pid());
    const std::chrono::duration<double> passed = now - began_, since = now - last_;
    const std::chrono::duration<double> spent = used - used_;
    last_ = now;
    used_ = used;
    sample seen{passed.count(),
                memory(server_->pid()).resident,
                descriptor_count(server_->pid()),
                {},
                since.count() > 0 ? spent / since : 0};
    std::int64_t frames = 0;
    std::ifstream file(directory_.file("frames"), std::ios::binary);
    if (file.read(reinterpret_cast<char*>(&frames), sizeof frames)) seen.frames = frames;
    return seen;
}

record::record(const std::string& path) {
    if (path.empty()) return;
    file_.open(path);
    if (!file_) throw failure("can't write " + path);
    file_ << "seconds,clients,bytes,resident,descriptors,frames,cores\n";
}

void record::add(const sample& now, std::uint64_t clients, std::uint64_t bytes) {
    if (!file_.is_open()) return;
    file_ << fmt::format("{:.2f},{},{},{},{},{},{:.3f}\n", now.seconds, clients, bytes,
                         now.resident, now.descriptors,
                         now.frames ? std::to_string(*now.frames) : "", now.cores)
          << std::flush;
}

} // namespace faults_tests
