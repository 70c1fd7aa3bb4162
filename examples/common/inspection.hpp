#pragma once

#include "fields.hpp"
#include "program.hpp"

#include <unroll/core/check/gradcheck.hpp>
#include <unroll/core/graph/graph.hpp>

#include <functional>
#include <string>

namespace example {

// Options of every program that replace training: draw the graph of the first batch (--dump-graph),
// or compare gradients with finite differences (--check-gradients).
class Inspection {
public:
    void options(CLI::App& command);

    bool draws() const { return !path_.empty(); }
    bool checks() const { return checks_; }

    // Draws the graph of `loss()`. Runs backward if norms or times are drawn, without changing the
    // gradients of parameters. Returns the exit status.
    int draw(const std::function<unroll::Variable<float>()>& loss) const;

    // Checks the gradients of `loss()`, a model in double with these parameters. Returns the exit
    // status: 1 if a gradient is wrong.
    int check(const std::function<unroll::Variable<double>()>& loss,
              const unroll::Parameters<double>& parameters) const;

private:
    std::string path_, report_, chart_;
    unroll::graph::Options graph_;
    bool checks_ = false;
    std::size_t order_ = 1;
    unroll::GradcheckOptions::Mode mode_ = unroll::GradcheckOptions::Mode::automatic;
};

} // namespace example
