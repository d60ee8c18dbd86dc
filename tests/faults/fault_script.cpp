/// \file
/// Reading a script, word by word.

#include "faults/fault_script.hpp"

#include <netdb.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <utility>

namespace faults {
namespace {

using named_call = std::pair<std::string_view, call>;
constexpr auto calls = std::to_array<named_call>({{"recv", call::recv},
                                                  {"send", call::send},
                                                  {"accept4", call::accept4},
                                                  {"epoll_wait", call::epoll_wait},
                                                  {"epoll_pwait2", call::epoll_pwait2},
                                                  {"epoll_ctl", call::epoll_ctl},
                                                  {"poll", call::poll},
                                                  {"select", call::select},
                                                  {"socket", call::socket},
                                                  {"connect", call::connect},
                                                  {"getsockopt", call::getsockopt},
                                                  {"getaddrinfo", call::getaddrinfo},
                                                  {"pthread_create", call::pthread_create},
                                                  {"malloc", call::malloc},
                                                  {"read", call::read}});

using named_fault = std::pair<std::string_view, int>;
constexpr auto all_faults = std::to_array<named_fault>({{"short", fault_short},
                                                        {"spurious", fault_spurious},
                                                        {"byte", fault_byte},
                                                        {"forever", fault_forever},
                                                        {"eagain", EAGAIN},
                                                        {"eintr", EINTR},
                                                        {"eio", EIO},
                                                        {"emfile", EMFILE},
                                                        {"enfile", ENFILE},
                                                        {"enobufs", ENOBUFS},
                                                        {"enomem", ENOMEM},
                                                        {"enospc", ENOSPC},
                                                        {"enosys", ENOSYS},
                                                        {"eperm", EPERM},
                                                        {"eacces", EACCES},
                                                        {"einval", EINVAL},
                                                        {"ebadf", EBADF},
                                                        {"econnaborted", ECONNABORTED},
                                                        {"econnrefused", ECONNREFUSED},
                                                        {"econnreset", ECONNRESET},
                                                        {"eproto", EPROTO},
                                                        {"enetdown", ENETDOWN},
                                                        {"enetunreach", ENETUNREACH},
                                                        {"ehostunreach", EHOSTUNREACH},
                                                        {"eaddrnotavail", EADDRNOTAVAIL},
                                                        {"einprogress", EINPROGRESS},
                                                        {"epipe", EPIPE},
                                                        {"etimedout", ETIMEDOUT},
                                                        {"enotconn", ENOTCONN},
                                                        {"enotsock", ENOTSOCK},
                                                        {"eopnotsupp", EOPNOTSUPP},
                                                        {"eafnosupport", EAFNOSUPPORT},
                                                        {"eai_again", fault_eai + EAI_AGAIN},
                                                        {"eai_fail", fault_eai + EAI_FAIL},
                                                        {"eai_memory", fault_eai + EAI_MEMORY},
                                                        {"eai_noname", fault_eai + EAI_NONAME},
                                                        {"eai_system", fault_eai + EAI_SYSTEM}});

template <typename Number>
bool read(std::string_view text, Number& into) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), into);
    return error == std::errc{} && end == text.data() + text.size();
}

bool read_how_often(std::string_view text, rule& into) {
    if (text.contains('.')) return read(text, into.chance) && into.chance > 0 && into.chance <= 1;
    const auto at = text.find('@');
    if (at != std::string_view::npos && !read(text.substr(at + 1), into.after)) return false;
    return read(text.substr(0, at), into.count) && into.count > 0;
}

bool read_rule(std::string_view name, std::string_view value, rule& into) {
    const auto colon = name.find(':');
    if (colon == std::string_view::npos) return false;
    const auto* const where = std::ranges::find(calls, name.substr(0, colon), &named_call::first);
    const auto* const what = std::ranges::find(all_faults, name.substr(colon + 1),
                                               &named_fault::first);
    if (where == calls.end() || what == all_faults.end()) return false;
    into.where = where->second;
    into.fault = what->second;
    return read_how_often(value, into);
}

bool read_word(std::string_view word, script& into) {
    const auto equals = word.find('=');
    if (equals == std::string_view::npos) return false;
    const auto name = word.substr(0, equals);
    const auto value = word.substr(equals + 1);
    if (name == "seed") return read(value, into.seed);
    if (name == "every") return read(value, into.every) && into.every > 0;
    if (name == "connected") return read(value, into.connected);
    if (name == "from") return read(value, into.from);
    if (name == "least") return read(value, into.least);
    if (name == "timer") return read(value, into.timer) && into.timer > 0;
    if (into.rule_count == into.rules.size()) return false;
    return read_rule(name, value, into.rules.at(into.rule_count++));
}

} // namespace

std::optional<script> parse_script(std::string_view line, std::string_view& wrong) {
    script read;
    while (true) {
        line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
        if (line.empty()) return read;
        const auto word = line.substr(0, line.find(' '));
        line.remove_prefix(word.size());
        if (read_word(word, read)) continue;
        wrong = word;
        return std::nullopt;
    }
}

} // namespace faults
