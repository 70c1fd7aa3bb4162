#pragma once

#include "fields.hpp"
#include "program.hpp"

#include <unroll/core/check/gradcheck.hpp>
#include <unroll/core/graph/graph.hpp>

#include <optional>
#include <string>

namespace example {

// What every program can do with its model instead of training it: draw the graph of its first
// batch (--dump-graph FILE, --fold, --depth, --color, ...), and compare its gradients with
// differences (--check-gradients, --check-order, --check-report FILE).
class Inspection {
public:
    void fields(Fields& f);

    bool draws() const { return !path_.empty(); }
    bool checks() const { return checks_; }

    // Draws what `loss(tape)` returns was computed from. Runs backward where norms or times are
    // asked for; gradients of parameters are left as they are. Returns the program's exit status.
    template <class T, class F>
    int draw(const F& loss) const {
        unroll::Tape<T> tape;
        std::optional<unroll::Statistics<T>> statistics;
        std::optional<unroll::Profile<T>> profile;
        unroll::graph::Options how = options();
        if (needs_statistics()) how.statistics = &statistics.emplace(tape);
        if (needs_profile()) how.profile = &profile.emplace(tape);
        tape.keep_gradients_apart(true);
        const auto y = loss(tape);
        if (statistics || profile) tape.backward(y, {.retain = true});
        unroll::graph::write(path_, y, how);
        print_result({{"nodes", std::to_string(tape.size())}, {"picture", path_}});
        return 0;
    }

    // `loss(tape)` is of a model in double whose parameters are given. Exit status 1 where the
    // gradients are wrong.
    int check(const std::function<unroll::Variable<double>(unroll::Tape<double>&)>& loss,
              const unroll::GradcheckParameters& parameters) const;

private:
    unroll::graph::Options options() const;
    bool needs_statistics() const;
    bool needs_profile() const;

    std::string path_, report_, fold_ = "time", color_ = "kind";
    unroll::graph::Options graph_;
    bool checks_ = false;
    std::size_t order_ = 1;
};

} // namespace example
