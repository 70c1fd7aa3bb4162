#include <unroll/core/graph/model.hpp>

#include <csignal>
#include <cstring>

#include <graphviz/gvc.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

namespace unroll::graph::detail {

namespace {

std::string complaint;

int listen(char* words) {
    complaint += words;
    return 0;
}

// One picture, or nothing and a complaint.
std::string draw(GVC_t* context, const std::string& dot, const std::string& format) {
    complaint.clear();
    Agraph_t* graph = agmemread(dot.c_str());
    char* data = nullptr;
    unsigned length = 0;
    if (graph == nullptr || gvLayout(context, graph, "dot") != 0 ||
        gvRenderData(context, graph, format.c_str(), &data, &length) != 0 || data == nullptr)
        return {};
    return {data, length};
}

bool write_all(int to, const char* bytes, std::size_t size) {
    while (size > 0) {
        const ssize_t n = ::write(to, bytes, size);
        if (n <= 0) return false;
        bytes += n;
        size -= static_cast<std::size_t>(n);
    }
    return true;
}

// In the child: a mark and a length before each picture or complaint.
void draw_all(std::span<const std::string> dots, const std::string& format, int to) {
    agseterrf(listen);
    GVC_t* const context = gvContext();
    for (const std::string& dot : dots) {
        const std::string picture = draw(context, dot, format);
        const std::string& words = picture.empty() ? complaint : picture;
        const char mark = picture.empty() ? 'E' : 'P';
        const std::size_t size = words.size();
        if (!write_all(to, &mark, 1) ||
            !write_all(to, reinterpret_cast<const char*>(&size), sizeof size) ||
            !write_all(to, words.data(), size))
            return;
    }
}

// Graphviz 2.43 crashes on some graphs, takes hours for others and is not thread-safe: it runs in a
// process of its own, which may be stopped.
std::string ask(std::span<const std::string> dots, const std::string& format, int seconds) {
    int ends[2];
    if (::pipe(ends) != 0) fail("graph::write", std::string("no pipe: ") + std::strerror(errno));
    const pid_t child = ::fork();
    if (child < 0) fail("graph::write", std::string("no process: ") + std::strerror(errno));
    if (child == 0) {
        ::close(ends[0]);
        // A crash there is told here.
        for (const int signal : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGPIPE, SIGTERM})
            std::signal(signal, SIG_DFL);
        if (std::freopen("/dev/null", "w", stderr) != nullptr) draw_all(dots, format, ends[1]);
        ::_exit(0);
    }
    ::close(ends[1]);
    std::string answer;
    char part[65536];
    while (true) {
        pollfd wait{ends[0], POLLIN, 0};
        const int ready = ::poll(&wait, 1, seconds * 1000);
        if (ready < 0 && errno == EINTR) continue;
        const ssize_t n = ready > 0 ? ::read(ends[0], part, sizeof part) : 0;
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) break;
        answer.append(part, static_cast<std::size_t>(n));
    }
    ::close(ends[0]);
    ::kill(child, SIGKILL);
    while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
    }
    return answer;
}

// Takes what one picture became off the front of an answer; false: Graphviz did not get so far.
bool take(std::string_view& answer, char& mark, std::string& words) {
    std::size_t size = 0;
    if (answer.size() < 1 + sizeof size) return false;
    mark = answer[0];
    std::memcpy(&size, answer.data() + 1, sizeof size);
    answer.remove_prefix(1 + sizeof size);
    if (answer.size() < size) return false;
    words = answer.substr(0, size);
    answer.remove_prefix(size);
    return true;
}

} // namespace

std::vector<std::string> render(const std::string& path, std::vector<std::string> dots,
                                const std::string& format) {
    std::vector<std::string> pictures;
    bool plain = false;
    while (pictures.size() < dots.size()) {
        std::span<const std::string> rest = std::span(dots).subspan(pictures.size());
        if (plain) rest = rest.first(1);
        const std::string answer = ask(rest, format, 20);
        std::string_view left = answer;
        char mark = 'E';
        std::string words;
        const std::size_t before = pictures.size();
        while (take(left, mark, words)) {
            if (mark == 'E') {
                while (!words.empty() && words.back() == '\n') words.pop_back();
                fail("graph::write",
                     "Graphviz could not draw '" + path + "'" +
                         (words.empty() ? std::string() : " (" + words + ")") +
                         "; is the package graphviz installed? A .dot file works without");
            }
            pictures.push_back(std::move(words));
        }
        if (pictures.size() > before) {
            plain = false;
            continue;
        }
        if (plain)
            fail("graph::write",
                 "Graphviz gave up on '" + path + "'; a smaller budget or depth makes it easier");
        // Once more with straight lines and less care.
        plain = true;
        std::string& dot = dots[before];
        dot.insert(dot.rfind('}'), "  splines=false; nslimit=1; nslimit1=1; mclimit=0.2;\n");
    }
    return pictures;
}

} // namespace unroll::graph::detail
