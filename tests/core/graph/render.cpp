// Graphviz's program dot: missing, failing, slow, and interrupted.

#include "support.hpp"

#include <unroll/core/graph/drawing/drawing.hpp>
#include <unroll/core/graph/drawing/process.hpp>
#include <unroll/ops/pointwise.hpp>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace test;
using namespace std::chrono_literals;

namespace {

constexpr const char* small = "digraph { a -> b; }\n";

// Sets PATH to a temporary folder for its scope. A script in that folder replaces dot.
class Path {
public:
    Path()
        : folder_(std::filesystem::temp_directory_path() /
                  ("unroll_path_" + std::to_string(::getpid()))),
          before_(std::getenv("PATH")) {
        std::filesystem::create_directory(folder_);
        ::setenv("PATH", folder_.c_str(), 1);
    }
    explicit Path(const std::string& script) : Path() {
        const auto dot = folder_ / "dot";
        std::ofstream(dot) << "#!/bin/sh\ncount=" << file("count") << "; PATH='" << before_ << "'\n"
                           << script << "\n";
        std::filesystem::permissions(dot, std::filesystem::perms::owner_all);
    }
    ~Path() {
        ::setenv("PATH", before_.c_str(), 1);
        std::filesystem::remove_all(folder_);
    }
    std::string file(const std::string& name) const { return (folder_ / name).string(); }
    std::string text(const std::string& name) const {
        std::ifstream in(file(name), std::ios::binary);
        return {std::istreambuf_iterator<char>(in), {}};
    }

private:
    std::filesystem::path folder_;
    std::string before_;
};

class Handler {
public:
    Handler(int signal, void (*handler)(int)) : signal_(signal) {
        struct sigaction action {};
        action.sa_handler = handler; // without SA_RESTART
        ::sigaction(signal, &action, &before_);
    }
    ~Handler() { ::sigaction(signal_, &before_, nullptr); }

private:
    int signal_;
    struct sigaction before_;
};

std::string error_of_write(const std::string& path) {
    return error_of([&] { graph::write(path, small); });
}

bool has_children() { return ::waitpid(-1, nullptr, WNOHANG) >= 0; }

volatile std::sig_atomic_t signals = 0;
void count_signal(int) { signals = signals + 1; }

} // namespace

TEST_CASE("without dot, an error says what to install") {
    const Path path;
    Tape<float> tape;
    static_cast<void>(exp(tape.variable(Tensor<float>::ones({2}), "x")));
    for (const char* ending : {"a.svg", "a.png", "a.pdf", "a.html"}) {
        const std::string error = error_of([&] { graph::write(path.file(ending), tape); });
        CHECK(contains(error, ending));
        CHECK(contains(error, "needs Graphviz's program 'dot', which is not in PATH"));
        CHECK(contains(error, "install graphviz, or write a .dot file"));
        CHECK_FALSE(std::filesystem::exists(path.file(ending)));
    }
    graph::write(path.file("a.dot"), tape);
    CHECK(contains(path.text("a.dot"), "digraph"));
    // A PATH without any folder.
    ::setenv("PATH", "/dev/null:/nowhere", 1);
    CHECK(contains(error_of_write(path.file("a.svg")), "not in PATH"));
}

TEST_CASE("if dot fails, the error contains its message") {
    std::string error;
    {
        const Path path("echo 'no such font' >&2; echo '<svg'; exit 3");
        graph::write(path.file("a.dot"), small);
        std::filesystem::rename(path.file("a.dot"), path.file("a.svg"));
        error = error_of_write(path.file("a.svg"));
        CHECK(contains(error, "a.svg': 'dot' failed with exit status 3: no such font"));
        CHECK(path.text("a.svg") == small); // the previous content
    }
    {
        const Path path("dot -T svg | head -c 100"); // succeeds with a truncated picture
        CHECK(contains(error_of_write(path.file("a.svg")), "failed with exit status 0"));
        CHECK(contains(error_of_write(path.file("a.png")), "failed with exit status 0"));
        CHECK(contains(error_of_write(path.file("a.pdf")), "failed with exit status 0"));
    }
    {
        const Path path("head -c 1000000 /dev/zero >&2; exit 1"); // truncated in the message
        CHECK(error_of_write(path.file("a.svg")).size() < 500);
    }
    error = error_of([] { graph::write("a.svg", "digraph { a -> }"); });
    CHECK(contains(error, "syntax error in line 1"));
    CHECK_FALSE(has_children());
}

TEST_CASE("a graph that dot cannot draw is tried again with simpler settings") {
    {
        const Path path("cat > $count.in; grep -q splines=false $count.in || kill -SEGV $$\n"
                        "exec dot $1 < $count.in");
        graph::write(path.file("a.svg"), small);
        CHECK(contains(path.text("a.svg"), "</svg>"));
    }
    const Path never("echo >> $count; kill -SEGV $$");
    CHECK(
        contains(error_of_write(never.file("a.svg")),
                 "was terminated by signal 11; draw fewer nodes (Options::fold, depth or budget), "
                 "or write a .dot file"));
    CHECK(never.text("count") == "\n\n");
}

TEST_CASE("dot is stopped at the time limit") {
    const auto error_within = [](const graph::detail::TimeLimits& limits) {
        return error_of([&] { graph::detail::render("a.svg", {small}, "svg", limits); });
    };
    {
        // The limit is processor time, whatever else the machine does.
        const Path path("echo 'many words' >&2; while :; do :; done");
        const std::string error = error_within({.processor = 1s});
        CHECK(contains(error, "'dot' did not finish within 1 s of processor time; draw fewer nodes "
                              "(Options::fold, depth or budget), or write a .dot file"));
        CHECK(error.size() < 250);
    }
    // Waiting costs none. With standard output left open, and with it closed.
    for (const char* script : {"exec sleep 100", "exec >&-; exec sleep 100"}) {
        const Path path(script);
        CHECK(contains(error_within({.wall = 100ms}), "'dot' did not finish"));
    }
    CHECK_FALSE(has_children());
}

TEST_CASE("a slow start of dot is not a failure") {
    const Path path("sleep 2; exec dot $1");
    CHECK(contains(graph::detail::render("a.svg", {small}, "svg", {.processor = 1s}).front(),
                   "</svg>"));
}

TEST_CASE("a failed picture of a page does not affect the others") {
    const std::vector<std::string> dots{"digraph { a; }\n", "digraph { b; }\n", "digraph { c; }\n"};
    const std::vector<std::string> pictures = graph::detail::render("a.html", dots, "svg");
    REQUIRE(pictures.size() == 3);
    for (std::size_t i = 0; i < 3; ++i)
        CHECK(contains(pictures[i], ">" + std::string(1, static_cast<char>('a' + i)) + "</text>"));
    // Crashes on a graph with b, after drawing the previous ones.
    const Path path("cat > $count.in; echo >> $count\n"
                    "if grep -q b $count.in && ! grep -q splines=false $count.in; then\n"
                    "  if grep -q a\\; $count.in; then echo 'digraph { a; }' | dot $1; fi\n"
                    "  kill -SEGV $$\nfi\nexec dot $1 < $count.in");
    const std::vector<std::string> again = graph::detail::render("a.html", dots, "svg");
    CHECK(path.text("count") == "\n\n\n\n\n"); // all, a, b, b, c
    REQUIRE(again.size() == 3);
    CHECK(contains(again[1], ">b</text>"));
    CHECK(contains(again[2], ">c</text>"));
}

TEST_CASE("signals neither corrupt a picture nor leave a child process") {
    SUBCASE("many in the program") {
        const Handler handler(SIGALRM, count_signal);
        const itimerval often{{0, 500}, {0, 500}}, never{};
        signals = 0;
        ::setitimer(ITIMER_REAL, &often, nullptr);
        CHECK(contains(graph::detail::render("a.svg", {small}, "svg").front(), "</svg>"));
        ::setitimer(ITIMER_REAL, &never, nullptr);
        CHECK(signals > 0);
    }
    SUBCASE("an interrupt that the program handles does not reach dot") {
        const Path path("kill -INT $$; kill -TERM $$; exec dot $1");
        const Handler interrupt(SIGINT, count_signal), end(SIGTERM, count_signal);
        graph::write(path.file("a.svg"), small);
        CHECK(contains(path.text("a.svg"), "</svg>"));
    }
    SUBCASE("an interrupt that terminates the program terminates dot") {
        const Path path("kill -TERM $$; exec dot $1");
        const Handler end(SIGTERM, SIG_DFL);
        CHECK(contains(error_of_write(path.file("a.svg")), "terminated by signal 15"));
    }
    SUBCASE("the program ignores SIGCHLD and SIGPIPE") {
        const Path path("kill -PIPE $$; exec dot $1"); // not ignored in dot
        const Handler child(SIGCHLD, SIG_IGN), pipe(SIGPIPE, SIG_IGN);
        CHECK(contains(error_of_write(path.file("a.svg")), "could not draw"));
    }
    SUBCASE("the program ignores SIGCHLD, and dot draws") {
        const Handler child(SIGCHLD, SIG_IGN);
        CHECK(contains(graph::detail::render("a.svg", {small}, "svg").front(), "</svg>"));
    }
    CHECK_FALSE(has_children());
}

TEST_CASE("a program receives its input and returns all of its output") {
    const std::string input(3'000'000, 'x'); // more than a pipe holds
    const auto result = graph::detail::run_program({"cat"}, input, {});
    CHECK(result.end == graph::detail::ProgramResult::End::exited);
    CHECK(result.code == 0);
    CHECK(result.output == input);
    const auto unread = graph::detail::run_program({"true"}, input, {});
    CHECK(unread.code == 0);
    CHECK(unread.output.empty());
}

TEST_CASE("threads draw pictures at the same time") {
    std::vector<std::thread> threads;
    std::vector<std::string> pictures(4);
    for (std::string& picture : pictures)
        threads.emplace_back(
            [&picture] { picture = graph::detail::render("a.svg", {small}, "svg").front(); });
    for (std::thread& thread : threads) thread.join();
    for (const std::string& picture : pictures) CHECK(picture == pictures.front());
    CHECK(contains(pictures.front(), "</svg>"));
}
