#pragma once
/// \file
/// A stage's server with a script of faults, clients that hold it to the one rule that has no
/// exception (what a client gets is a beginning of what it sent, and all of it where the stream
/// ends in good order), and a look at what is left when they have gone.

#include "harness/catch.hpp"
#include "harness/client.hpp"
#include "harness/server.hpp"
#include "harness/temporary_directory.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace faults_tests {

using harness::milliseconds;

/// Which stage, and how it is started.
struct variant {
    int stage = 0;
    std::string arguments;
    [[nodiscard]] std::string name() const;
};

/// The stages from `first` on that the environment's STAGE does not exclude; stage 5 has two
/// threads.
std::vector<variant> stages(int first = 1);

/// Another one for each run; the environment's SEED repeats one. Printed.
std::uint64_t seed();

/// While it lives, what this process starts has these faults; one at a time.
class faults_for_children {
public:
    /// \param counts the file that is to count them
    explicit faults_for_children(const std::string& script, const std::string& counts = "");
    ~faults_for_children();
    faults_for_children(const faults_for_children&) = delete;
    faults_for_children& operator=(const faults_for_children&) = delete;
};

/// How often faults have struck, as the file of faults_for_children says.
std::uint64_t struck_in(const std::string& counts);

/// Runs a program with faults to its end.
struct outcome {
    harness::ending ended;
    std::string out, err;
};
outcome run_with_faults(const std::string& script, const std::vector<std::string>& words,
                        milliseconds limit = harness::must_happen,
                        const harness::child_options& options = {});

/// A stage's server under a script, to which the seed is added.
class faulty_server {
public:
    faulty_server(const variant& which, const std::string& script,
                  const std::string& listen = "127.0.0.1:0");
    /// Adds how often it was struck to the file that the environment's STRUCK names: count.py.
    ~faulty_server();
    faulty_server(const faulty_server&) = delete;
    faulty_server& operator=(const faulty_server&) = delete;

    harness::server& operator*() { return *server_; }
    harness::server* operator->() { return server_.get(); }
    /// How often the script's rules have struck; or one of them, counted from 0.
    [[nodiscard]] std::uint64_t struck() const;
    [[nodiscard]] std::uint64_t struck(std::size_t rule) const;

private:
    harness::temporary_directory directory_;
    std::unique_ptr<harness::server> server_;
};

/// What became of a number of clients.
struct tally {
    std::size_t complete = 0, cut = 0;
    std::vector<std::string> broken; ///< of each client that saw what no client may see
};

/// What a client does.
struct habit {
    std::size_t clients = 8; ///< at the same time
    std::uint64_t size = 60'000;
    std::size_t most_a_piece = 8000;
    milliseconds limit = std::chrono::seconds(10) * harness::patience; ///< for nothing moving
    bool may_end = false; ///< before all has come back: closed before it was heard
};

/// Each client sends its bytes in pieces of random sizes, half-closes, and reads to the end.
tally talk(const harness::endpoint& to, const habit& how = {});

/// All that a case needs most often: a bystander that comes first and is still served at the end,
/// clients, then nothing left over, and a stop in good order.
class trial {
public:
    trial(const variant& which, const std::string& script,
          const std::string& listen = "127.0.0.1:0");
    ~trial() = default;
    trial(const trial&) = delete;
    trial& operator=(const trial&) = delete;

    tally run(const habit& how = {});
    /// CHECKs that nothing is left over, and stops it.
    void finish();

    faulty_server server;
    harness::client bystander;

private:
    void begin();

    std::size_t descriptors_ = 0;
    std::int64_t memory_ = 0;
    bool rests_ = true;
};

/// The most usual trial, for each of the stages: every byte comes back in spite of it.
void loses_nothing(const std::string& script, const habit& how = {}, int first_stage = 1);
/// The next most usual: some connections are cut off, but not the bystander.
void cuts_off_some(const std::string& script, const habit& how = {});

} // namespace faults_tests
