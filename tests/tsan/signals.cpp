/// \file
/// Linked into the servers that the thread sanitizer watches, because the runtime of g++ 12 can
/// lose a signal or keep it back for long:
/// - It makes a record for signals at a thread's first blocking call. A signal that comes while the
///   record is made goes into another one, which is then forgotten. So the main thread, which
///   the kernel sends signals to, makes a blocking call before anybody can know the process.
/// - A signal that comes outside of the blocking calls that it knows is kept until the next one of
///   them. It does not know epoll_pwait2(). So there is no such call here, and the poller uses
///   epoll_wait(), as on an older kernel. Nor does it know that accept4(), read() and write() may
///   block, which is all that stage 1 does: there nothing helps but another signal.

#include <poll.h>
#include <sys/epoll.h>

#include <cerrno>

namespace {

[[gnu::constructor]] void block_once() {
    ::poll(nullptr, 0, 0);
}

} // namespace

extern "C" int epoll_pwait2(int, epoll_event*, int, const timespec*, const sigset_t*) {
    errno = ENOSYS;
    return -1;
}
