#pragma once

#include "fields.hpp"
#include "program.hpp"

#include <unroll/core/check/gradcheck.hpp>
#include <unroll/core/graph/graph.hpp>

#include <optional>
#include <string>

namespace example {

// What every program can do instead of training: draw the graph of the first batch (--dump-graph),
// and compare gradients with finite differences (--check-gradients).
class Inspection {
public:
    void options(CLI::App& command);

    bool draws() const { return !path_.empty(); }
    bool checks() const { return checks_; }

    // Draws the graph of `loss(tape)`. Runs backward if norms or times are drawn, without touching
    // the gradients of parameters. Returns the exit status.
    template <class T, class F>
    int draw(const F& loss) const {
        unroll::Tape<T> tape;
        std::optional<unroll::Statistics<T>> statistics;
        std::optional<unroll::Profile<T>> profile;
        unroll::graph::Options how = graph_;
        if (needs_statistics()) how.statistics = &statistics.emplace(tape);
        if (needs_profile()) how.profile = &profile.emplace(tape);
        tape.keep_gradients_apart(true);
        const auto y = loss(tape);
        if (statistics || profile) tape.backward(y, {.retain = true});
        unroll::graph::write(path_, y, how);
        print_result({{"nodes", std::to_string(tape.size())}, {"picture", path_}});
        return 0;
    }

    // Checks the gradients of `loss(tape)`, a model in double with these parameters. Returns the
    // exit status: 1 if a gradient is wrong.
    int check(const std::function<unroll::Variable<double>(unroll::Tape<double>&)>& loss,
              const unroll::Parameters<double>& parameters) const;

private:
    bool needs_statistics() const;
    bool needs_profile() const;

    std::string path_, report_;
    unroll::graph::Options graph_;
    bool checks_ = false;
    std::size_t order_ = 1;
};

} // namespace example
