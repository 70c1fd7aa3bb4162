#include <unroll/core/check/profile.hpp>

#include <algorithm>
#include <map>

namespace unroll {

Table table(const std::vector<ProfileRow>& rows) {
    Table all{{"name", "count", "forward_ms", "backward_ms", "share", "bytes", "kept_bytes"}, {}};
    double total = 0;
    for (const ProfileRow& row : rows) total += row.seconds();
    for (const ProfileRow& row : rows)
        all.rows.push_back({row.name, std::to_string(row.count),
                            format_fixed(1e3 * row.cost.forward),
                            format_fixed(1e3 * row.cost.backward),
                            format_fixed(total > 0 ? row.seconds() / total : 0),
                            std::to_string(row.cost.bytes), std::to_string(row.cost.kept)});
    return all;
}

template <class T>
void Profile<T>::recorded(NodeId first, std::span<const Variable<T>* const>,
                          std::span<const Variable<T>> results) {
    if (first >= costs_.size()) costs_.resize(2 * std::size_t{first} + 1, {0, 0, unseen, 0});
    const Tape<T>& tape = *this->tape();
    Cost cost;
    for (const auto& result : results) cost.bytes += result.size() * sizeof(T);
    for (const Saved<T>& kept : tape.node(first).rule->kept())
        if (!kept.variable.is_parameter()) cost.kept += kept.value().size() * sizeof(T);
    last_rule_ = 0;
    cost.forward = lap();
    costs_[first] = cost;
}

template <class T>
void Profile<T>::before_rule(NodeId first, std::span<const Variable<T>>) {
    if (first >= last_rule_) lap();
    last_rule_ = first;
}

template <class T>
void Profile<T>::after_rule(NodeId first) {
    if (cost(first) != nullptr) costs_[first].backward += lap();
}

template <class T>
void Profile<T>::leaf(NodeId id, const Tensor<T>&) {
    if (id >= costs_.size()) costs_.resize(std::size_t{id} + 1, {0, 0, unseen, 0});
    if (costs_[id].bytes == unseen) costs_[id] = {};
    costs_[id].backward += lap();
}

template <class T>
void Profile<T>::cleared() {
    costs_.clear();
    last_rule_ = 0;
    lap();
}

template <class T>
template <class Name>
std::vector<ProfileRow> Profile<T>::grouped(const Name& name) const {
    std::map<std::string, ProfileRow> groups;
    for (NodeId id = 0; id < costs_.size() && this->tape() != nullptr; ++id) {
        const Cost* one = cost(id);
        if (one == nullptr) continue;
        ProfileRow& row = groups[name(this->tape()->node(id))];
        ++row.count;
        row.cost.forward += one->forward;
        row.cost.backward += one->backward;
        row.cost.bytes += one->bytes;
        row.cost.kept += one->kept;
    }
    std::vector<ProfileRow> rows;
    for (auto& [key, row] : groups) {
        row.name = key;
        rows.push_back(std::move(row));
    }
    std::stable_sort(rows.begin(), rows.end(),
                     [](const auto& a, const auto& b) { return a.seconds() > b.seconds(); });
    return rows;
}

template <class T>
std::vector<ProfileRow> Profile<T>::operations() const {
    return grouped([](const Node<T>& node) { return std::string(node.op.name); });
}

template <class T>
std::vector<ProfileRow> Profile<T>::modules() const {
    std::map<std::uint32_t, std::string> paths;
    return grouped([&](const Node<T>& node) -> const std::string& {
        std::string& path = paths[node.scope];
        if (path.empty()) path = this->tape()->module_path(node.scope);
        if (path.empty()) path = "(outside)";
        return path;
    });
}

template <class T>
std::string Profile<T>::text() const {
    return table(operations()).text() + "\n" + table(modules()).text();
}

template class Profile<float>;
template class Profile<double>;

} // namespace unroll
