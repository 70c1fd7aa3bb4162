#pragma once

#include "program.hpp"

#include <unroll/core/graph.hpp>

#include <optional>
#include <string>

namespace CLI {
class App;
}

namespace example {

// How a program's graph is drawn, and where to: the options of every program that can draw.
struct GraphOptions {
    std::string path; // empty: nothing is drawn
    unroll::graph::Options options = {};

    // Adds --fold, --depth, --budget, --color and the rest to a command, and --dump-graph unless
    // the command takes the path itself.
    void add_to(CLI::App& command, bool dump = true);

    // Draws what `loss(tape)` returns was computed from. Runs backward where norms or times are
    // asked for; gradients of parameters are left as they are.
    template <class T, class F>
    void draw(const F& loss) {
        unroll::Tape<T> tape;
        std::optional<unroll::Statistics<T>> statistics;
        std::optional<unroll::Profile<T>> profile;
        if (needs_statistics()) options.statistics = &statistics.emplace(tape);
        if (needs_profile()) options.profile = &profile.emplace(tape);
        tape.keep_gradients_apart(true);
        const auto y = loss(tape);
        if (statistics || profile) tape.backward(y, {.retain = true});
        unroll::graph::write(path, y, options);
        options.statistics = nullptr;
        options.profile = nullptr;
        print_result({{"nodes", std::to_string(tape.size())}, {"picture", path}});
    }

    bool needs_statistics() const;
    bool needs_profile() const;
};

} // namespace example
