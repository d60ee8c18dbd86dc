#pragma once
/// \file
/// What the ladder says, in English and in Chinese: each sentence in both, one below the other. {}
/// is filled in; both languages have the same number of them.

#include <fmt/format.h>

#include <string>

namespace check {

/// A sentence in both languages.
struct text {
    const char* en;
    const char* zh;
};

/// True if the ladder speaks Chinese: set once, by main.
inline bool chinese = false;

/// The sentence in the language that was chosen, filled in.
template <typename... Arguments>
std::string say(const text& what, const Arguments&... arguments) {
    return fmt::format(fmt::runtime(chinese ? what.zh : what.en), arguments...);
}

namespace texts {

// ---- What a rung is called, what was expected, and why ------------------------------------------

inline constexpr text answers{"it answers", "它会回答"};
inline constexpr text answers_expected{
    "each line comes back as it was sent, while the client stays connected. An echo server does "
    "nothing else",
    "每行原样回来，客户端不必先断开。回显服务器要做的就是这件事"};

inline constexpr text two_at_once{"it answers two at once", "它能同时回答两个客户端"};
inline constexpr text two_at_once_expected{
    "each client gets its own bytes, no matter how many others are connected. A server that "
    "waits in read() for one client is lost to all others, for as long as that one likes",
    "每个客户端都收到自己的数据，不管还有谁连着。服务器如果在 read() 里等一个客户端，其他客户端"
    "就只能一直等下去，等多久全看那一个"};

inline constexpr text bytes{"bytes of every value and size come back",
                            "任何内容、任何长度的数据都能回来"};
inline constexpr text bytes_expected{
    "every byte comes back once and in order. TCP is a stream: a write may arrive in pieces, a "
    "read is no message, a zero byte is no end, and send() may take less than it was given",
    "每个字节按顺序回来一次。TCP 是字节流：一次写可能分几次到达，一次读不等于一条消息，零字节不"
    "是结尾，send() 也可能只收下一部分"};

inline constexpr text half_close{"a client that has finished sending gets the rest",
                                 "客户端发完之后仍能收到剩下的数据"};
inline constexpr text half_close_expected{
    "all bytes that were sent, and then the end of the stream. shutdown(SHUT_WR) says \"I have "
    "sent everything\", not \"I am gone\": what read() returns 0 for, may still have unsent "
    "bytes behind it",
    "先收到发过的全部数据，再收到流的结尾。shutdown(SHUT_WR) 的意思是“我发完了”，不是“我走了”："
    "read() 返回 0 的时候，可能还有数据没有发给它"};

inline constexpr text slow_reader{"a slow reader keeps no other client waiting",
                                  "读得慢的客户端不会让别人等待"};
inline constexpr text slow_reader_expected{
    "the others are answered at once, and the slow client gets every byte when it reads at last. "
    "A send() that blocks stops all clients of its thread; one that does not must be tried again "
    "when there is room",
    "其他客户端立刻得到回答；慢的那个开始读的时候，一个字节也不少。会阻塞的 send() 让同一线程的"
    "所有客户端都停下；不阻塞的 send() 没发完，就要等有空间时接着发"};

inline constexpr text never_reads{"a client that never reads is not read from",
                                  "客户端不读，服务器就不再读它"};
inline constexpr text never_reads_expected{
    "the server stops reading from a client that does not read, and needs no more memory for it. "
    "Otherwise a single client can fill the machine's memory",
    "客户端不读，服务器就停止读它发来的数据，也不再为它占用更多内存。否则一个客户端就能把整台机"
    "器的内存用光"};

inline constexpr text resets{"a client that vanishes takes no other client with it",
                             "客户端突然消失，不会连累别人"};
inline constexpr text resets_expected{
    "that connection ends, all others stay, and the server keeps running. Clients crash and lose "
    "their network every day: ECONNRESET is no error of the server's, and SIGPIPE ends a process "
    "that does not ask for MSG_NOSIGNAL",
    "只有那一个连接结束，其他连接不受影响，服务器继续运行。客户端崩溃、断网是家常便饭："
    "ECONNRESET 不是服务器自己的错误；不用 MSG_NOSIGNAL，SIGPIPE 会结束整个进程"};

inline constexpr text floods{"clients that never stop starve no other",
                             "不停发送的客户端不会饿死别人"};
inline constexpr text floods_expected{
    "every ready client has its turn. A server that reads from one client until read() says "
    "EAGAIN stays with that client for as long as it sends fast enough",
    "每个就绪的客户端都轮得到。如果对一个客户端一直读到 EAGAIN 为止，只要它发得够快，服务器就一"
    "直只为它服务"};

inline constexpr text one_moment{"900 clients may come in one moment",
                                 "同一时刻可以来 900 个客户端"};
inline constexpr text one_moment_expected{
    "the kernel connects all of them while the server is busy, and the server serves all. A "
    "backlog that is too short (listen's second argument) makes the others try again after 1 s, "
    "3 s, 7 s; one event of an edge-triggered listener may stand for many clients",
    "服务器正忙的时候，内核先替它接下所有连接，随后服务器全部服务到。backlog（listen 的第二个参"
    "数）太短，其余的客户端就要过 1 秒、3 秒、7 秒再试；边缘触发的监听套接字，一次通知可能代表许"
    "多客户端"};

inline constexpr text leaves_nothing{"4000 clients leave nothing behind",
                                     "4000 个客户端走后什么也不留下"};
inline constexpr text leaves_nothing_expected{
    "as many open descriptors as before, and no more memory than 2 KiB per client that has left. "
    "What each client leaves behind ends the server one day, usually at night",
    "打开的描述符和原来一样多，每个走掉的客户端留下的内存不超过 2 KiB。哪怕每个客户端只留下一点"
    "点，总有一天会拖垮服务器，而且多半在半夜"};

inline constexpr text rests{"an idle server rests", "没有事做的时候它会休息"};
inline constexpr text rests_expected{
    "less than 2 % of a core while nothing happens. Asking again and again whether there is "
    "work, or asking epoll for EPOLLOUT when there is nothing to send, costs a whole core",
    "没有事情发生时，占用不到一个核的 2 %。反复询问有没有事做，或者没有数据要发却关注 EPOLLOUT，"
    "都要占满一个核"};

inline constexpr text no_descriptors{"out of descriptors it rests, and serves all afterwards",
                                     "描述符用完时它会休息，之后全部服务到"};
inline constexpr text no_descriptors_expected{
    "open connections continue, the server uses less than 5 % of a core, and clients that wait "
    "are served as soon as others have left. accept() fails with EMFILE at once, and the client "
    "stays in the backlog: trying again at once is a busy loop, and giving up loses everybody",
    "已有的连接继续工作，服务器占用不到一个核的 5 %，有客户端离开后，等着的立刻得到服务。"
    "accept() 马上以 EMFILE 失败，客户端却还留在 backlog 里：立刻重试就是空转，放弃则失去所有客"
    "户端"};

// ---- What was sent ------------------------------------------------------------------------------

inline constexpr text one_line{"a client connects and sends \"hello\" and a newline",
                               "一个客户端连上来，发了一行 \"hello\""};
inline constexpr text another_line{"the same client sends a second line, \"hello again\"",
                                   "同一个客户端又发了一行 \"hello again\""};
inline constexpr text second_line{
    "one client has had its answer and stays connected; a second one sends a line",
    "一个客户端已经得到回答，还连着；第二个客户端发了一行"};
inline constexpr text first_line_again{"the first client sends another line, beside the second one",
                                       "第二个客户端还连着，第一个又发了一行"};
inline constexpr text thirty_lines{
    "thirty clients send a line each in the same moment, no two the same",
    "30 个客户端在同一时刻各发一行，每行都不一样"};
inline constexpr text every_value{"all 256 values of a byte, in one write",
                                  "一次写，内容是字节的全部 256 个值"};
inline constexpr text one_size{"{} bytes in one write", "一次写 {} 字节"};
inline constexpr text single_bytes{"200 writes of one byte, each after the echo of the one before",
                                   "一次写一个字节，共 200 次，收到回显后再写下一个"};
inline constexpr text random_pieces{"16 MiB in random pieces, at most 256 KiB ahead of the echo",
                                    "16 MiB，每次写的长度随机，最多比回显超前 256 KiB"};
inline constexpr text last_words{
    "14 bytes and shutdown(SHUT_WR) right behind them, so that both arrive together",
    "14 字节，紧接着 shutdown(SHUT_WR)，两者一起到达"};
inline constexpr text only_the_end{"shutdown(SHUT_WR), and no byte before it",
                                   "一个字节也没发，直接 shutdown(SHUT_WR)"};
inline constexpr text much_and_the_end{
    "{} bytes without reading any, then shutdown(SHUT_WR); only then the client reads",
    "发了 {} 字节，一点也没读，然后 shutdown(SHUT_WR)，这时才开始读"};
inline constexpr text beside_slow{
    "two clients have sent {} bytes and read none of them yet; a third one sends a line",
    "两个客户端发了 {} 字节，还一点也没读；第三个客户端发了一行"};
inline constexpr text slow_at_last{"a client that has sent {} bytes begins to read them",
                                   "一个发了 {} 字节的客户端开始读"};
inline constexpr text sends_only{"a client sends as much as the server takes, and reads nothing",
                                 "一个客户端不停地发，直到发不出去为止，一点也不读"};
inline constexpr text beside_stuck{"one client sends and never reads; another one sends a line",
                                   "一个客户端只发不读；另一个发了一行"};
inline constexpr text reset_with_unsent{
    "clients send 200,000 bytes, read none of them, and reset the connection; another one sends "
    "a line",
    "几个客户端各发 200,000 字节，一点也没读就重置连接；另一个客户端发了一行"};
inline constexpr text gone_before_the_answer{
    "clients send 100,000 bytes and close before the answer comes; another one sends a line",
    "几个客户端各发 100,000 字节，没等回答就关闭；另一个客户端发了一行"};
inline constexpr text reset_before_accept{
    "a client resets the connection before the server can accept it; another one sends a line",
    "一个客户端在服务器 accept 之前就重置了连接；另一个客户端发了一行"};
inline constexpr text newcomers{
    "a client leaves and another one comes in the same moment; the new one sends a line",
    "同一时刻走了一个客户端，又来了一个；新来的发了一行"};
inline constexpr text urgent{
    "\"abc\" and an urgent byte (MSG_OOB), ten times, then shutdown(SHUT_WR)",
    "\"abc\" 和一个紧急字节（MSG_OOB），重复十次，然后 shutdown(SHUT_WR)"};
inline constexpr text bystander_after{
    "after all that, a client that was there from the beginning sends a line",
    "这一切之后，一开始就连着的客户端发了一行"};
inline constexpr text beside_floods{
    "four clients never stop sending and reading; ten others send a line, one after the other",
    "四个客户端不停地收发；另外十个依次各发一行"};
inline constexpr text come_at_once{
    "{} clients connect while the server stands still for a moment (SIGSTOP), as if it were busy",
    "{} 个客户端在服务器停住的一瞬间（SIGSTOP，相当于它正忙）连上来"};
inline constexpr text each_speaks{"{} clients that have come in one moment send 100 bytes each",
                                  "同一时刻来的 {} 个客户端各发 100 字节"};
inline constexpr text come_and_go{
    "{} clients, fifty at a time: each has an echo, and closes, resets, or vanishes with bytes "
    "unread",
    "{} 个客户端，每批 50 个：各回显一次，然后关闭、重置，或者不等读完就消失"};
inline constexpr text hundred_silent{
    "100 clients have had an echo, stay connected, and send nothing",
    "100 个客户端各回显过一次，还连着，什么也不发"};
inline constexpr text too_many_clients{
    "{} clients come, but the server may open no more than 16 further descriptors (RLIMIT_NOFILE)",
    "来了 {} 个客户端，但服务器最多只能再打开 16 个描述符（RLIMIT_NOFILE）"};
inline constexpr text open_one_speaks{
    "the server is out of descriptors; a client that it has accepted before sends a line",
    "服务器的描述符已经用完；一个早已接入的客户端发了一行"};
inline constexpr text out_and_silent{
    "the server is out of descriptors, clients wait in the backlog, and nobody sends anything",
    "服务器的描述符已经用完，有客户端在 backlog 里等着，谁也没有发数据"};
inline constexpr text served_ones_leave{
    "those of the {} clients that have been served leave, so that descriptors become free",
    "{} 个客户端中，得到过服务的陆续离开，描述符空了出来"};

// ---- What came back -----------------------------------------------------------------------------

inline constexpr text nothing_came{"nothing for {:.0f} s", "{:.0f} 秒内什么也没有"};
inline constexpr text part_came{"{} of {} bytes, then nothing for {:.0f} s",
                                "{} 字节（应有 {}），然后 {:.0f} 秒内什么也没有"};
inline constexpr text no_end{"{} bytes, and no end of the stream within {:.0f} s",
                             "{} 字节，{:.0f} 秒内没有等到流的结尾"};
inline constexpr text ended_early{"the end of the stream after {} of {} bytes",
                                  "{} 字节之后流就结束了（应有 {}）"};
inline constexpr text was_reset{"a reset (RST) after {} of {} bytes",
                                "{} 字节之后连接被重置（RST），应有 {}"};
inline constexpr text not_taken{"the server took {} of {} bytes, and no more for {:.0f} s",
                                "服务器只收下 {} 字节（共 {}），此后 {:.0f} 秒不再收"};
inline constexpr text too_many_bytes{"{} bytes more than were sent", "多出了 {} 字节"};
inline constexpr text wrong_byte{"another byte than was sent: number {}, counted from 0",
                                 "有一个字节和发出去的不一样：从 0 数起第 {} 个"};
inline constexpr text refused{"the connection was refused", "连接被拒绝"};
inline constexpr text closed_on{"the connection was reset (RST)", "连接被重置（RST）"};
inline constexpr text not_connected{"the connection did not come about within {:.0f} s",
                                    "{:.0f} 秒内没有连上"};
inline constexpr text something_else{"an error: {}", "一个错误：{}"};
inline constexpr text died{"the server ended with {}; the client saw: {}",
                           "服务器结束了（{}）；客户端看到的是：{}"};
inline constexpr text exit_status{"exit status {}", "退出状态 {}"};
inline constexpr text signal_number{"signal {}, SIG{}", "信号 {}，SIG{}"};
inline constexpr text after_first_left{
    "nothing for {:.0f} s; the answer came when the first client had left",
    "{:.0f} 秒内什么也没有；第一个客户端离开之后，回答才来"};
inline constexpr text after_slow_read{
    "nothing for {:.0f} s; the answer came when the two slow clients began to read",
    "{:.0f} 秒内什么也没有；那两个慢客户端开始读，回答才来"};
inline constexpr text takes_all{
    "the server took {} MiB, which the kernel's buffers can't hold, and would have taken more",
    "服务器收下了 {} MiB，内核的缓冲区放不下这么多，而且还会继续收"};
inline constexpr text memory_grew{"the server's memory grew by {} MiB after it had taken {} MiB",
                                  "服务器收下了 {1} MiB，内存增加了 {0} MiB"};
inline constexpr text lost_bytes{"{} bytes instead of {}, urgent ones not counted",
                                 "{} 字节，应有 {}（不计紧急字节）"};
inline constexpr text starved{
    "{} of {} answers within {:.0f} s; the four got {} MB meanwhile",
    "{2:.0f} 秒内只有 {0} 次得到回答（应有 {1} 次）；其间那四个收到了 {3} MB"};
inline constexpr text backlog_short{"the kernel connected {} of {}, and turned the others away",
                                    "内核只接下了 {} 个（共 {}），其余的被拒之门外"};
inline constexpr text served_some{"only {} of {} clients were served, {} were cut off",
                                  "只有 {} 个客户端得到服务（共 {}），{} 个被断开"};
inline constexpr text descriptors_left{
    "{} descriptors are open after {} clients have left, {} before",
    "{1} 个客户端走后有 {0} 个描述符开着，原来是 {2} 个"};
inline constexpr text memory_left{
    "each client that has come and left costs {} bytes of memory, in each of {} spans",
    "每个来过又走了的客户端都留下 {} 字节内存，连续 {} 段都是这样"};
inline constexpr text uses_cpu{
    "the server used up to {:.0f} % of a core, or waited for one, and rested in none of {} spans "
    "of time",
    "服务器占用或等着占用一个核的 {:.0f} %，连续观察 {} 段时间，没有一段在休息"};
inline constexpr text out_of_time{"{}; by then the rung had taken {} s, which is all that it may",
                                  "{}；这时这一级已经用了 {} 秒，不能再长了"};

// ---- Around the rungs ---------------------------------------------------------------------------

inline constexpr text sent_label{"sent:      ", "发出："};
inline constexpr text came_back_label{"came back: ", "回来："};
inline constexpr text expected_label{"expected:  ", "应当："};
inline constexpr text see_label{"see:       ", "请看："};
inline constexpr text see{
    "docs/en/{0}.md · docs/zh/{0}.md (on the site: en/{0}.html · zh/{0}.html); stage {1} does it "
    "right",
    "docs/zh/{0}.md · docs/en/{0}.md（网站上：zh/{0}.html · en/{0}.html）；正确的做法在第 {1} 阶"
    "段"};
inline constexpr text all_passed{"all {} rungs passed in {:.1f} s",
                                 "{} 级全部通过，用时 {:.1f} 秒"};
inline constexpr text stopped_at{
    "stopped at rung {} of {}; again, this rung alone: --rung {}; all of them: --all",
    "停在第 {} 级（共 {} 级）；只跑这一级：--rung {}；全部跑完：--all"};
inline constexpr text some_failed{"{} of {} rungs failed", "{} 级没有通过（共 {} 级）"};
inline constexpr text left_out{
    "left out: a server that runs already shows neither its memory nor its descriptors, and "
    "can't be stopped for a moment",
    "略过：服务器已经在运行，看不到它的内存和描述符，也不能让它停住一瞬间"};
inline constexpr text climbing{"rung {} of {}: {} ...", "第 {} 级（共 {} 级）：{} ……"};
inline constexpr text did_not_start{"the server did not start: {}", "服务器没有启动：{}"};
inline constexpr text ended_before_listening{
    "the server ended ({}) before it listened on port {}{}",
    "服务器还没有监听端口 {1} 就结束了（{0}）{2}"};
inline constexpr text never_listened{"the server runs, but does not listen on port {}{}",
                                     "服务器在运行，但没有监听端口 {}{}"};
inline constexpr text it_said{"; it printed: {}", "；它输出了：{}"};
inline constexpr text nobody_there{"nobody listens on {}", "{} 上没有服务器在监听"};

} // namespace texts
} // namespace check
