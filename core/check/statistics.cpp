#include <unroll/core/check/statistics.hpp>
#include <unroll/core/kernels/loops.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <tuple>

namespace unroll {

template <class T>
Summary summarize(const Tensor<T>& x) {
    const Tensor<T> dense = x.contiguous();
    Summary s{dense.size(), 0, 0, 0};
    std::size_t zeros = 0;
    for (std::size_t i = 0; i < s.count; ++i) {
        const auto v = static_cast<double>(dense.data()[i]);
        s.norm += v * v;
        s.largest = std::abs(v) <= s.largest ? s.largest : std::abs(v);
        zeros += v == 0;
    }
    s.norm = std::sqrt(s.norm);
    s.zeros = s.count == 0 ? 0 : static_cast<double>(zeros) / static_cast<double>(s.count);
    return s;
}

void Summary::add(const Summary& other) {
    const auto total = static_cast<double>(count + other.count);
    if (total > 0)
        zeros =
            (zeros * static_cast<double>(count) + other.zeros * static_cast<double>(other.count)) /
            total;
    norm = std::hypot(norm, other.norm);
    largest = other.largest <= largest ? largest : other.largest;
    count += other.count;
}

template <class T>
Range range_of(const Tensor<T>& x) {
    const Tensor<T> dense = x.contiguous();
    constexpr double infinity = std::numeric_limits<double>::infinity();
    Range range{infinity, -infinity};
    for (std::size_t i = 0; i < dense.size(); ++i) {
        const auto v = static_cast<double>(dense.data()[i]);
        if (std::isfinite(v)) {
            range.least = std::min(range.least, v);
            range.largest = std::max(range.largest, v);
        } else {
            ++(std::isnan(v) ? range.nans : v > 0 ? range.plus : range.minus);
        }
    }
    return range;
}

template <class T>
bool is_finite(const Tensor<T>& x) {
    Tensor<T> total = Tensor<T>::scalar(0);
    map_elements(x.shape(), std::array{InputOperand<T>(x)}, std::array{OutputOperand<T>(total)},
                 [](auto v) { return v * 0; });
    return total.item() == T(0);
}

Table table(const std::vector<GradientRow>& rows) {
    const bool steps =
        std::any_of(rows.begin(), rows.end(), [](const auto& row) { return row.step >= 0; });
    Table all{{"module", "name"}, {}};
    if (steps) all.columns.insert(all.columns.end(), {"output", "step"});
    all.columns.insert(all.columns.end(), {"elements", "norm", "largest", "zeros"});
    for (const GradientRow& row : rows) {
        auto& cells = all.rows.emplace_back(std::vector{row.module, row.name});
        if (steps)
            cells.insert(cells.end(), {std::to_string(row.output), std::to_string(row.step)});
        const Summary& g = row.gradient;
        cells.insert(cells.end(), {std::to_string(g.count), format_significant(g.norm),
                                   format_significant(g.largest), format_significant(g.zeros, 3)});
    }
    return all;
}

template <class T>
std::vector<GradientRow> Statistics<T>::parameters() const {
    std::vector<GradientRow> rows;
    for (NodeId id = 0; id < gradients_.size(); ++id) {
        if (found(gradients_, id) == nullptr || this->tape() == nullptr) continue;
        const Node<T>& node = this->tape()->node(id);
        if (node.parameter == nullptr) continue;
        rows.push_back({this->tape()->scope_path(this->tape()->around_steps(node.scope)),
                        node.parameter->name(), 0, -1, gradients_[id].summary});
    }
    return rows;
}

template <class T>
std::vector<GradientRow> Statistics<T>::steps() const {
    const Tape<T>* tape = this->tape();
    std::vector<GradientRow> rows;
    if (tape == nullptr) return rows;
    // Groups in recording order; within each, rows by time step.
    using Group = std::tuple<std::string, std::string, std::size_t>;
    std::map<Group, std::size_t> order;
    std::map<std::pair<std::size_t, std::int64_t>, Summary> sums;
    for (NodeId id = 0; id < gradients_.size(); ++id) {
        if (found(gradients_, id) == nullptr) continue;
        const Node<T>& node = tape->node(id);
        const std::int64_t step = tape->time_step(node.scope);
        if (step == Scope::no_index || node.input_count == 0) continue;
        const Group group(tape->module_path(node.scope), node.op.name, id - node.operation);
        const std::size_t number = order.emplace(group, order.size()).first->second;
        sums[{number, step}].add(gradients_[id].summary);
    }
    std::vector<const Group*> groups(order.size());
    for (const auto& [group, number] : order) groups[number] = &group;
    for (const auto& [key, sum] : sums) {
        const auto& [module, name, output] = *groups[key.first];
        rows.push_back({module, name, output, key.second, sum});
    }
    return rows;
}

template <class T>
void Statistics<T>::see(std::vector<Seen>& all, NodeId id, const Tensor<T>& x) {
    if (id >= all.size()) all.resize(id + 1);
    all[id] = {summarize(x), true};
}

template <class T>
void Statistics<T>::recorded(NodeId first, std::span<const Variable<T>* const>,
                             std::span<const Variable<T>> results) {
    for (std::size_t i = 0; i < results.size(); ++i)
        see(values_, first + static_cast<NodeId>(i), results[i].value());
}

template <class T>
void Statistics<T>::before_rule(NodeId first, std::span<const Variable<T>> gradients) {
    for (std::size_t i = 0; i < gradients.size(); ++i)
        if (gradients[i].has_value())
            see(gradients_, first + static_cast<NodeId>(i), gradients[i].value());
}

template <class T>
void Statistics<T>::leaf(NodeId id, const Tensor<T>& gradient) {
    see(gradients_, id, gradient);
}

template <class T>
void Statistics<T>::cleared() {
    values_.clear();
    gradients_.clear();
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template Summary summarize(const Tensor<T>&);                                                  \
    template Range range_of(const Tensor<T>&);                                                     \
    template bool is_finite(const Tensor<T>&);                                                     \
    template class Statistics<T>;

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll
