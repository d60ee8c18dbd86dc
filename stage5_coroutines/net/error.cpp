/// \file
/// Where an error gets its words from.

#include "error.hpp"

#include <utility>

namespace stage5::net {
namespace {

std::string network_of(const address& local) {
    return local.family() == AF_UNIX ? "unix" : "tcp";
}

/// Returns an empty text if there is no address.
std::string text_of(const address& a) {
    return a.family() == AF_UNSPEC ? "" : a.to_string();
}

/// Returns the system call of an operation, for the text of an error.
std::string_view call_of(std::string_view op) {
    if (op == "accept") return "accept4";
    if (op == "close") return "shutdown"; // of one direction: closing both can't fail
    return op == "set" ? "setsockopt" : op;
}

/// Makes the OpError around a cause, with the operation, the network and both addresses.
op_error make_op_error(const fd& of, std::string_view op, std::string cause) {
    const auto local = of.local_addr();
    op_error what{std::string(op), network_of(local), text_of(local), text_of(of.remote_addr()),
                  std::move(cause)};
    if (what.address.empty()) std::swap(what.source, what.address); // a listener has no other end
    return what;
}

} // namespace

error failure(const fd& of, std::string_view op, io_error why, std::size_t done) {
    return error(make_op_error(of, op, why.message(call_of(op))), why, done);
}

error failure(const fd& of, std::string_view op, std::string why) {
    return error(make_op_error(of, op, std::move(why)), {});
}

error closed_before(const fd& of) {
    const io_error why{io_error::reason::net_closing};
    auto what = make_op_error(of, "set", why.message(""));
    if (!what.source.empty()) what.address = std::exchange(what.source, "");
    return error(std::move(what), why);
}

} // namespace stage5::net
