/// \file
/// io_uring: the bound that epoll can't reach, because many operations go down with one system
/// call. A ring a thread; a connection's receive is given once and for all (multishot), into
/// buffers that the kernel picks when bytes are there; what comes in during a send waits for its
/// turn.

#include "peers/peer.hpp"

#include <liburing.h>
#include <sys/mman.h>

#include <cstring>

namespace {

constexpr unsigned ring_size = 4096, group = 0;

void check_uring(int result, const char* call) {
    if (result < 0) throw std::runtime_error(fmt::format("{}: {}", call, std::strerror(-result)));
}

/// The newest way that this kernel has to leave completions until we ask for them.
io_uring open_ring() {
    constexpr unsigned newest = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;
    io_uring ring{};
    int result = -EINVAL;
    for (const unsigned flags : {newest, unsigned{IORING_SETUP_COOP_TASKRUN}, 0U}) {
        result = io_uring_queue_init(ring_size, &ring, flags);
        if (result == 0) return ring;
    }
    check_uring(result, "io_uring_setup");
    return ring;
}

enum class operation : std::uint8_t { accept, receive, send };

/// What a completion belongs to, in its 64 bits: who receives has no buffer yet.
struct tag {
    int fd;
    std::uint16_t buffer;
    operation what;

    [[nodiscard]] std::uint64_t word() const {
        return static_cast<std::uint64_t>(static_cast<std::uint32_t>(fd)) |
               std::uint64_t{buffer} << 32U | static_cast<std::uint64_t>(what) << 48U;
    }
    static tag of(std::uint64_t word) {
        return {static_cast<int>(word & 0xffffffffU),
                static_cast<std::uint16_t>(word >> 32U & 0xffffU),
                static_cast<operation>(word >> 48U)};
    }
};

/// A buffer that has to be sent.
struct piece {
    std::uint16_t buffer;
    std::size_t size;
};

struct client {
    std::vector<piece> waiting; // for the send in flight to be over
    bool sending = false, ended = false;
};

class server {
public:
    server(harness::unique_fd listener, std::size_t size)
        : listener_(std::move(listener)), ring_(open_ring()), size_(size),
          count_(size > 16384 ? 32 : 2048), memory_(size * count_) {
        const auto bytes = count_ * sizeof(io_uring_buf);
        void* const page = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                                  MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
        if (page == MAP_FAILED) throw std::runtime_error("mmap: no memory");
        buffers_ = static_cast<io_uring_buf_ring*>(page);
        io_uring_buf_reg reg{};
        reg.ring_addr = reinterpret_cast<std::uint64_t>(page);
        reg.ring_entries = count_;
        reg.bgid = group;
        check_uring(io_uring_register_buf_ring(&ring_, &reg, 0), "io_uring_register_buf_ring");
        for (unsigned i = 0; i < count_; ++i) give_back(static_cast<std::uint16_t>(i));
    }

    [[noreturn]] void serve() {
        accept();
        while (true) {
            io_uring_submit_and_wait(&ring_, 1);
            unsigned head = 0, seen = 0;
            io_uring_cqe* one = nullptr;
            io_uring_for_each_cqe(&ring_, head, one) {
                ++seen;
                complete(tag::of(one->user_data), one->res, one->flags);
            }
            io_uring_cq_advance(&ring_, seen);
        }
    }

private:
    io_uring_sqe* entry() {
        auto* sqe = io_uring_get_sqe(&ring_);
        while (sqe == nullptr) { // full: submit the entries that are queued
            io_uring_submit(&ring_);
            sqe = io_uring_get_sqe(&ring_);
        }
        return sqe;
    }

    void accept() {
        auto* const sqe = entry();
        io_uring_prep_multishot_accept(sqe, listener_.get(), nullptr, nullptr, SOCK_CLOEXEC);
        io_uring_sqe_set_data64(sqe, tag{0, 0, operation::accept}.word());
    }

    void receive(int fd) {
        auto* const sqe = entry();
        io_uring_prep_recv_multishot(sqe, fd, nullptr, 0, 0);
        sqe->flags |= IOSQE_BUFFER_SELECT;
        sqe->buf_group = group;
        io_uring_sqe_set_data64(sqe, tag{fd, 0, operation::receive}.word());
    }

    void send(int fd, piece what) {
        auto* const sqe = entry();
        // MSG_WAITALL: a short send is continued by the kernel.
        io_uring_prep_send(sqe, fd, &memory_[what.buffer * size_], what.size,
                           MSG_NOSIGNAL | MSG_WAITALL);
        io_uring_sqe_set_data64(sqe, tag{fd, what.buffer, operation::send}.word());
        clients_[static_cast<std::size_t>(fd)].sending = true;
    }

    void give_back(std::uint16_t buffer) {
        io_uring_buf_ring_add(buffers_, &memory_[buffer * size_], static_cast<unsigned>(size_),
                              buffer, io_uring_buf_ring_mask(count_), 0);
        io_uring_buf_ring_advance(buffers_, 1);
        if (starved_.empty()) return;
        receive(starved_.back());
        starved_.pop_back();
    }

    void complete(tag whose, int result, unsigned flags) {
        switch (whose.what) {
        case operation::accept:
            if (result >= 0) begin(result);
            if ((flags & IORING_CQE_F_MORE) == 0) accept();
            return;
        case operation::receive:
            return received(whose.fd, result, flags);
        case operation::send:
            return sent(whose, result);
        }
    }

    void begin(int fd) {
        const auto index = static_cast<std::size_t>(fd);
        if (clients_.size() <= index) clients_.resize(index + 1);
        clients_[index] = {};
        receive(fd);
    }

    void received(int fd, int result, unsigned flags) {
        client& from = clients_[static_cast<std::size_t>(fd)];
        if (result > 0) {
            const piece all{static_cast<std::uint16_t>(flags >> IORING_CQE_BUFFER_SHIFT),
                            static_cast<std::size_t>(result)};
            if (from.sending)
                from.waiting.push_back(all);
            else
                send(fd, all);
        }
        if ((flags & IORING_CQE_F_MORE) != 0) return;
        if (result > 0) return receive(fd);
        if (result == -ENOBUFS) return starved_.push_back(fd);
        from.ended = true;
        if (!from.sending) ::close(fd);
    }

    void sent(tag whose, int result) {
        give_back(whose.buffer);
        client& to = clients_[static_cast<std::size_t>(whose.fd)];
        to.sending = false;
        if (result > 0 && !to.waiting.empty()) {
            send(whose.fd, to.waiting.front());
            to.waiting.erase(to.waiting.begin());
            return;
        }
        for (const piece& lost : to.waiting) give_back(lost.buffer);
        to.waiting.clear();
        if (to.ended)
            ::close(whose.fd);
        else if (result <= 0)
            ::shutdown(whose.fd, SHUT_RDWR); // the receive ends, and closes it
    }

    harness::unique_fd listener_;
    io_uring ring_;
    std::size_t size_;
    unsigned count_;
    std::vector<char> memory_;
    io_uring_buf_ring* buffers_ = nullptr;
    std::vector<client> clients_; // by descriptor
    std::vector<int> starved_;    // connections that found no buffer
};

} // namespace

int main(int argc, char** argv) {
    return peer::run(argc, argv, "echo: io_uring", [](peer::options& read) {
        const auto size = read.buffer;
        open_ring(); // if io_uring is refused, one line says so, and "listening on" is not printed
        peer::run_threads(read, [size](harness::unique_fd listener) {
            server(std::move(listener), size).serve();
        });
    });
}
