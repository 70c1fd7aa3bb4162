#include <unroll/core/autograd/backward/in_place.hpp>
#include <unroll/core/autograd/backward/pass.hpp>
#include <unroll/core/check/locate.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <map>

namespace unroll {

namespace {

// An input or result of an operation. `weight`: the factor of its change along the line, the rule's
// contribution or the incoming gradient; without storage if there is none.
struct Operand {
    Tensor<double> value, weight;
    bool is_constant;

    // <weight, change> and its rounding error.
    double product(const Tensor<double>& moved, double& rounding) const {
        if (!weight.storage()) return 0;
        double sum = 0;
        for (std::size_t k = 0; k < value.size(); ++k) {
            const double w = weight.data()[k], x = value.data()[k];
            if (w == 0 || moved.data()[k] == x) continue; // also an infinity that does not change
            sum += w * (moved.data()[k] - x);
            rounding += std::numeric_limits<double>::epsilon() * std::abs(w * x);
        }
        return sum;
    }
};

struct Operation {
    NodeId first;
    NodeId caused_by = no_node; // the operation whose rule recorded this one
    std::vector<Operand> inputs = {}, results = {};
    bool is_in_place = false; // the values of inputs are lost
};

// Records the operations and the gradients that they receive.
class Trace final : public Monitor<double> {
public:
    explicit Trace(Tape<double>& tape) : Monitor<double>(tape) {}

    void recorded(NodeId first, std::span<const Variable<double>* const> inputs,
                  std::span<const Variable<double>> results) override {
        Operation o{.first = first, .caused_by = running_};
        for (std::size_t i = 0; i < inputs.size(); ++i) {
            const Tensor<double>& value = inputs[i]->value();
            o.inputs.push_back({value.copy(), {}, tape()->node(first).inputs[i] == no_node});
            for (const auto& r : results)
                o.is_in_place = o.is_in_place || overlaps(value, r.value());
        }
        for (const auto& r : results) o.results.push_back({r.value().copy(), {}, false});
        index_[first] = operations.size();
        operations.push_back(std::move(o));
    }
    void before_rule(NodeId first, std::span<const Variable<double>> gradients) override {
        running_ = first;
        const auto at = index_.find(first);
        if (at == index_.end()) return;
        auto& results = operations[at->second].results;
        for (std::size_t i = 0; i < gradients.size(); ++i)
            if (gradients[i].has_value()) results[i].weight = gradients[i].value().copy();
    }
    void after_rule(NodeId) override { running_ = no_node; }

    std::vector<Operation> operations;

private:
    static bool overlaps(const Tensor<double>& x, const Tensor<double>& y) {
        if (!x.storage() || x.storage() != y.storage()) return false;
        const auto [x_low, x_high] = extent(x.shape(), x.strides());
        const auto [y_low, y_high] = extent(y.shape(), y.strides());
        return x.data() + x_low < y.data() + y_high && y.data() + y_low < x.data() + x_high;
    }

    std::map<NodeId, std::size_t> index_;
    NodeId running_ = no_node;
};

bool any_weight(const std::vector<Operand>& operands) {
    return std::any_of(operands.begin(), operands.end(),
                       [](const Operand& o) { return static_cast<bool>(o.weight.storage()); });
}

// Runs every rule separately, with new leaves whose gradients are not zero initially.
void run_rules(Tape<double>& tape, std::vector<Operation>& operations) {
    struct Alone {
        Operation* operation;
        std::vector<NodeId> inputs;
        std::vector<Tensor<double>> before;
    };
    std::vector<Alone> all;
    Random random(7);
    for (Operation& o : operations) {
        if (tape.node(o.first).rule == nullptr || !any_weight(o.results)) continue;
        Alone alone{&o, {}, {}};
        for (const Operand& x : o.inputs) {
            Tensor<double> before(x.value.shape());
            random.fill_uniform(before.data(), before.size(), -1.0, 1.0);
            alone.inputs.push_back(x.is_constant ? no_node : tape.variable(before).node());
            alone.before.push_back(before);
        }
        all.push_back(std::move(alone));
    }
    const NoRecording<double> paused;
    InPlace<double> to(tape, true, false);
    // Marks all nodes as needed.
    const BackwardPass<double> pass(tape, to, Op::unplaced("gradcheck"));
    for (const Alone& alone : all) {
        for (std::size_t i = 0; i < alone.inputs.size(); ++i)
            if (const NodeId id = alone.inputs[i]; id != no_node)
                Adjoint<double>(to, id, tape.node(id).view).add(Variable<double>(alone.before[i]));
        std::vector<Variable<double>> gradients;
        for (const Operand& r : alone.operation->results)
            gradients.push_back(r.weight.storage() ? Variable<double>(r.weight)
                                                   : Variable<double>());
        tape.node(alone.operation->first).rule->run(Adjoints<double>(to, alone.inputs), gradients);
        for (std::size_t i = 0; i < alone.inputs.size(); ++i) {
            const NodeId id = alone.inputs[i];
            if (id == no_node) continue;
            Tensor<double> contribution = to.arrived(id, false).value().copy();
            for (std::size_t k = 0; k < contribution.size(); ++k)
                contribution.data()[k] -= std::as_const(alone.before[i]).data()[k];
            alone.operation->inputs[i].weight = contribution;
        }
    }
}

struct Slopes {
    double inputs = 0, results = 0, rounding = 0;
    std::size_t moving_constant = ~std::size_t{0}; // an input

    double error() const { return std::abs(inputs - results); }
};

std::string name_of(const Tape<double>& tape, const Operation& o) {
    const auto described = [&](NodeId id) {
        const Node<double>& n = tape.node(id);
        const std::string path = tape.scope_path(n.scope);
        std::string more = path.empty() ? "" : "in " + path;
        if (n.op.where.line() != 0)
            more += (more.empty() ? "at " : "; at ") + to_string(n.op.where);
        return "'" + std::string(n.op.name) + "'" + (more.empty() ? "" : " (" + more + ")");
    };
    return described(o.first) + (o.caused_by == no_node ? ""
                                                        : ", recorded by the backward rule of " +
                                                              described(o.caused_by));
}

} // namespace

std::string locate_wrong_rule(
    const std::function<Variable<double>(Tape<double>&, std::vector<Variable<double>>&)>& run,
    const Tensor<double>& cotangent, const std::function<void(double)>& move, double step,
    double tolerance) {
    Tape<double> tape;
    Trace trace(tape);
    std::vector<Variable<double>> x;
    const Variable<double> y = run(tape, x);
    if (!y.is_recorded()) return "the result is a constant: no operation on it was recorded";
    // At second order, operations have already received gradients, from a pass that is part of the
    // function.
    for (Operation& o : trace.operations)
        for (Operand& r : o.results) r.weight = {};
    const Variable<double> from[] = {y}, seeds[] = {cotangent};
    tape.gradients(from, seeds, x, {.retain = true});
    auto& operations = trace.operations;
    run_rules(tape, operations);

    // Central differences at two steps, extrapolated.
    std::vector<Slopes> slopes(operations.size());
    for (const auto& [at, weight] :
         {std::pair{1, 16.0 / 30}, {-1, -16.0 / 30}, {4, -1.0 / 120}, {-4, 1.0 / 120}}) {
        Tape<double> moved_tape;
        Trace moved(moved_tape);
        try {
            move(at * step);
            run(moved_tape, x);
        } catch (...) {
            move(0);
            throw;
        }
        move(0);
        const auto& now = moved.operations;
        bool is_same = now.size() == operations.size();
        for (std::size_t i = 0; is_same && i < now.size(); ++i)
            is_same = now[i].first == operations[i].first &&
                      now[i].results[0].value.shape() == operations[i].results[0].value.shape() &&
                      now[i].inputs.size() == operations[i].inputs.size();
        if (!is_same) return "the function records different operations when its inputs change";
        for (std::size_t i = 0; i < now.size(); ++i) {
            Slopes& s = slopes[i];
            const Operation& o = operations[i];
            for (std::size_t k = 0; k < o.inputs.size(); ++k) {
                const Tensor<double>& value = now[i].inputs[k].value;
                if (value.shape() != o.inputs[k].value.shape()) continue;
                s.inputs += weight / step * o.inputs[k].product(value, s.rounding);
                if (o.inputs[k].is_constant && !(value == o.inputs[k].value)) s.moving_constant = k;
            }
            for (std::size_t k = 0; k < o.results.size(); ++k)
                s.results +=
                    weight / step * o.results[k].product(now[i].results[k].value, s.rounding);
        }
    }
    double largest = 0;
    const auto is_wrong = [&](std::size_t i) {
        const Slopes& s = slopes[i];
        return !operations[i].is_in_place && s.error() > 16 * s.rounding / step &&
               !(s.error() <= 10 * tolerance * std::max(std::abs(s.inputs), std::abs(s.results)));
    };
    for (std::size_t i = 0; i < slopes.size(); ++i)
        if (is_wrong(i)) largest = std::max(largest, slopes[i].error());
    for (std::size_t i = 0; i < slopes.size(); ++i) {
        const Slopes& s = slopes[i];
        if (!is_wrong(i) || s.error() < 1e-3 * largest) continue;
        char numbers[160];
        std::snprintf(numbers, sizeof numbers, "%.9g by its rule, %.9g by its own differences",
                      s.inputs, s.results);
        if (s.moving_constant != ~std::size_t{0})
            return "operand " + std::to_string(s.moving_constant) + " of " +
                   name_of(tape, operations[i]) +
                   " depends on the checked inputs but is a constant on the tape: " + numbers;
        return "the rule of " + name_of(tape, operations[i]) + " is wrong: " + numbers;
    }
    return "";
}

} // namespace unroll
