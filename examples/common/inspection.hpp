#pragma once

#include "program.hpp"

#include <unroll/core/gradcheck.hpp>
#include <unroll/core/graph.hpp>

#include <optional>
#include <string>

namespace CLI {
class App;
}

namespace example {

// What every program can do with its model instead of training it: draw the graph of its first
// batch (--dump-graph FILE, --fold, --depth, --color, ...), and compare its gradients with
// differences (--check-gradients, --check-order, --check-report FILE).
class Inspection {
public:
    void add_to(CLI::App& command);

    bool draws() const { return !path_.empty(); }
    bool checks() const { return checks_; }

    // Draws what `loss(tape)` returns was computed from. Runs backward where norms or times are
    // asked for; gradients of parameters are left as they are. Returns the program's exit status.
    template <class T, class F>
    int draw(const F& loss) {
        unroll::Tape<T> tape;
        std::optional<unroll::Statistics<T>> statistics;
        std::optional<unroll::Profile<T>> profile;
        if (needs_statistics()) graph_.statistics = &statistics.emplace(tape);
        if (needs_profile()) graph_.profile = &profile.emplace(tape);
        tape.keep_gradients_apart(true);
        const auto y = loss(tape);
        if (statistics || profile) tape.backward(y, {.retain = true});
        unroll::graph::write(path_, y, graph_);
        print_result({{"nodes", std::to_string(tape.size())}, {"picture", path_}});
        return 0;
    }

    // `loss(tape)` is of a model in double whose parameters are given. Exit status 1 where the
    // gradients are wrong.
    int check(const std::function<unroll::Variable<double>(unroll::Tape<double>&)>& loss,
              const unroll::GradcheckParameters& parameters) const;

private:
    bool needs_statistics() const;
    bool needs_profile() const;

    std::string path_, report_;
    unroll::graph::Options graph_;
    bool checks_ = false;
    int order_ = 1;
};

} // namespace example
