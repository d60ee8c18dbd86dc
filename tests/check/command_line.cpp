/// \file
/// Reading the command line; what it says about itself, in both languages.

#include "check/command_line.hpp"

#include "check/rungs.hpp"

#include <algorithm>
#include <charconv>
#include <string_view>

namespace check {
namespace {

constexpr text how_to_call{
    R"(./dev check [OPTIONS] 'COMMAND {{port}}'
./dev check [OPTIONS] HOST:PORT

Judges an echo server in any language. COMMAND is a shell command that starts it; {{port}} is replaced by a free
port, on which the server has to listen (127.0.0.1, or all addresses). Every rung of the ladder starts the server
again. The first rung that it does not pass ends the climb, and says what was sent, what came back, and what
was expected, and why. A server that runs already is given as HOST:PORT; then the rungs that need to look at its
process are left out.

  --rung N   only this rung
  --all      all rungs, also after one has failed
  --json     the result as JSON, on standard output
  --help     this

Exit status: 0 if all rungs passed, 1 if one failed, 2 if there is no server to judge or the call is wrong.

The rungs:
)",
    R"(./dev check [选项] '命令 {{port}}'
./dev check [选项] 主机:端口

检查一个回显服务器，用什么语言写的都可以。“命令”是启动它的 shell 命令，其中的 {{port}} 会换成一个空闲端口，
服务器要在这个端口上监听（127.0.0.1 或所有地址）。每一级都重新启动服务器。第一个没有通过的级就是终点，
那时会说明：发出了什么，回来了什么，本来应当怎样，以及为什么。服务器已经在运行的话，给出“主机:端口”即可；
要看进程内部情况的那几级就略过。

  --rung N   只跑这一级
  --all      全部跑完，中途有没通过的也继续
  --json     在标准输出上以 JSON 给出结果
  --help     显示这段说明

退出状态：全部通过为 0；有一级没通过为 1；没有可检查的服务器，或者参数不对，为 2。

各级：
)"};
constexpr text no_such_option{"there is no option {}; --help lists them",
                              "没有 {} 这个选项；--help 列出所有选项"};
constexpr text no_such_rung{"--rung takes a number from 1 to {}, not '{}'",
                            "--rung 后面要跟 1 到 {} 的数字，不是 '{}'"};
constexpr text rung_or_all{"--rung and --all exclude each other", "--rung 和 --all 不能同时用"};
constexpr text which_server{"which server? 'COMMAND {{port}}' or HOST:PORT; --help explains",
                            "检查哪个服务器？请给出 '命令 {{port}}' 或 主机:端口；--help 有说明"};
constexpr text one_server{"one server at a time: put its command in quotes",
                          "一次检查一个服务器：请把命令放进引号"};
constexpr text no_port{"the command does not say where {{port}} belongs: {}",
                       "命令里没有 {{port}}：{}"};

int read_rung(const std::string& word) {
    int number = 0;
    const auto* const end = word.data() + word.size();
    const auto [rest, wrong] = std::from_chars(word.data(), end, number);
    const auto most = static_cast<int>(ladder().size());
    if (wrong != std::errc{} || rest != end || number < 1 || number > most)
        throw misuse(say(no_such_rung, most, word));
    return number;
}

/// HOST:PORT has no space, and digits behind its last colon.
bool is_address(const std::string& word) {
    const auto colon = word.rfind(':');
    if (colon == std::string::npos || colon + 1 == word.size() ||
        word.find(' ') != std::string::npos)
        return false;
    return std::all_of(word.begin() + static_cast<std::ptrdiff_t>(colon) + 1, word.end(),
                       [](char c) { return c >= '0' && c <= '9'; });
}

void check_server(orders& read) {
    if (read.help) return;
    if (read.only && read.all) throw misuse(say(rung_or_all));
    if (read.server.empty()) throw misuse(say(which_server));
    if (read.server.find("{port}") != std::string::npos) return;
    read.runs_already = is_address(read.server);
    if (!read.runs_already) throw misuse(say(no_port, read.server));
}

} // namespace

orders read_orders(std::span<char*> words) {
    orders read;
    for (std::size_t i = 0; i < words.size(); ++i) {
        const std::string word = words[i];
        if (word == "--help" || word == "-h")
            read.help = true;
        else if (word == "--all")
            read.all = true;
        else if (word == "--json")
            read.json = true;
        else if (word == "--rung")
            read.only = read_rung(i + 1 < words.size() ? words[++i] : "");
        else if (word.starts_with("--rung="))
            read.only = read_rung(word.substr(7));
        else if (word.starts_with("-"))
            throw misuse(say(no_such_option, word));
        else if (!read.server.empty())
            throw misuse(say(one_server));
        else
            read.server = word;
    }
    check_server(read);
    return read;
}

std::string usage() {
    std::string text = say(how_to_call);
    int number = 0;
    for (const auto& rung : ladder())
        text += fmt::format("  {:2}  {}\n", ++number, say(rung.title));
    return text;
}

} // namespace check
