// What pictures show in addition to recorded values: names, constants, indices and masks.
#include <unroll/core/autograd/tape.hpp>
#include <unroll/core/base/numbers.hpp>

#include <algorithm>
#include <string_view>
#include <type_traits>

namespace unroll {

thread_local constinit const Composite* Composite::outermost_ = nullptr;

Composite::Composite(const Op& op) : op_(op), number_(next_number()) {
    if (outermost_ == nullptr) outermost_ = this;
}
Composite::~Composite() {
    if (is_outermost()) outermost_ = nullptr;
}
bool Composite::made(std::uint64_t constant) const { return is_taken_after(constant, number_); }

template <class T>
void Tape<T>::name(const Variable<T>& x, std::string_view name, Where where) {
    if (x.is_recorded() && x.body()->slot != m_->slot)
        fail(Op("name", where),
             "'" + std::string(name) + "' is a value of another tape; call name() of its tape");
    if (x.is_recorded())
        m_->names.push_back({x.node(), copy(name)});
    else if (x.body() != nullptr)
        m_->named_constants.push_back({x.body()->generation, x.value().layout(), copy(name)});
}

template <class T>
template <class U>
void Tape<T>::name(const Tensor<U>& x, std::string_view name) {
    if (x.size() == 0) return;
    const auto [low, high] = extent(x.shape(), x.strides());
    m_->named_tensors.push_back({x.storage(), x.data() + low, x.data() + high - 1, x.layout(),
                                 static_cast<NodeId>(size()), copy(name)});
}

template <class T>
void Tape<T>::note_constant(NodeId id, std::uint32_t input, const Variable<T>& x) {
    const Composite* const composite = Composite::outermost();
    if (composite != nullptr && composite->made(x.body()->generation)) return;
    const std::uint64_t number = x.body()->generation;
    const auto original = std::find_if(m_->originals.rbegin(), m_->originals.rend(),
                                       [&](const auto& o) { return o.first == number; });
    const Tensor<T>& shown = original != m_->originals.rend() ? original->second : x.value();
    ConstantUse use{
        id, input, number, shown.layout(), nullptr, 0, std::as_const(shown).data(), sizeof(T), {}};
    if (x.is_parameter())
        use.name = copy(static_cast<const ParameterBody<T>*>(x.body())->name());
    else if (x.dimension() == 0)
        use.number = static_cast<double>(x.value().item());
    else
        use.storage = shown.storage();
    m_->constants.push_back(std::move(use));
}

template <class T>
void Tape<T>::show_as(const Variable<T>& y, const Variable<T>& x) {
    y.body()->generation = x.body()->generation;
    m_->originals.push_back({x.body()->generation, x.value()});
}

namespace {

// The same for each use of one tensor, and for short lists of equal numbers, such as the lengths of
// sequences, of which every module has its own copy.
template <class U>
std::uint64_t identity(const Tensor<U>& x, const char* role) {
    constexpr std::size_t most = 256;
    std::uint64_t value = x.size();
    const auto mix = [&](std::uint64_t part) {
        value = (value ^ (value >> 29) ^ part) * 0x9e3779b97f4a7c15u;
    };
    mix(std::hash<std::string_view>()(role));
    if (std::is_same_v<U, std::int64_t> && x.dimension() == 1 && x.size() <= most) {
        const Tensor<U> dense = x.contiguous();
        for (std::size_t i = 0; i < dense.size(); ++i)
            mix(static_cast<std::uint64_t>(dense.data()[i]));
        return value;
    }
    mix(std::hash<const void*>()(x.data()));
    mix(x.storage() ? x.storage()->version() : 0);
    return value;
}

} // namespace

template <class T>
template <class U>
void Tape<T>::note_operand(const Variable<T>& y, const char* role, const Tensor<U>& operand,
                           std::uint32_t input) {
    if (!y.is_recorded() || y.body()->slot != m_->slot) return;
    const NodeId id = operation_of(y.node());
    ConstantUse use{id,
                    input,
                    identity(operand, role),
                    operand.layout(),
                    op_name(role),
                    0,
                    operand.data(),
                    sizeof(U),
                    operand.storage()};
    note(std::move(use));
}

template <class T>
void Tape<T>::note_literal(const Variable<T>& y, std::uint32_t position, double number) {
    static const LayoutRef scalar{Shape{}};
    note(
        {operation_of(y.node()), position, next_number(), scalar, nullptr, number, nullptr, 0, {}});
}

// Keeps the list in the order of nodes. One that replaces an operand takes the place of its note.
template <class T>
void Tape<T>::note(ConstantUse use) {
    auto& all = m_->constants;
    const auto end =
        std::upper_bound(all.begin(), all.end(), use.node,
                         [](NodeId node, const ConstantUse& known) { return node < known.node; });
    for (auto known = end; known != all.begin() && std::prev(known)->node == use.node; --known)
        if (use.input != ConstantUse::not_an_input && std::prev(known)->input == use.input) {
            *std::prev(known) = std::move(use);
            return;
        }
    all.insert(end, std::move(use));
}

template <class T>
std::span<const ConstantUse> Tape<T>::constants_of(NodeId id) const {
    struct ByNode {
        bool operator()(const ConstantUse& use, NodeId id) const { return use.node < id; }
        bool operator()(NodeId id, const ConstantUse& use) const { return id < use.node; }
    };
    const auto [first, last] =
        std::equal_range(m_->constants.begin(), m_->constants.end(), id, ByNode());
    return {first, last};
}

namespace {

// The entry of a node, in a list in the order of nodes; null if there is none.
template <class Note>
const Note* noted(const std::vector<std::pair<NodeId, Note>>& all, NodeId id) {
    const auto found = std::lower_bound(
        all.begin(), all.end(), id, [](const auto& note, NodeId id) { return note.first < id; });
    return found != all.end() && found->first == id ? &found->second : nullptr;
}

} // namespace

template <class T>
const char* Tape<T>::fused_names(NodeId operation) const {
    const auto* const names = noted(m_->fused_names, operation);
    return names != nullptr ? *names : nullptr;
}

template <class T>
std::uint64_t Tape<T>::composite(NodeId id) const {
    const auto* const number = noted(m_->composites, id);
    return number != nullptr ? *number : 0;
}

#define UNROLL_INSTANTIATE_FOR(T, U)                                                               \
    template void Tape<T>::name(const Tensor<U>&, std::string_view);                               \
    template void Tape<T>::note_operand(const Variable<T>&, const char*, const Tensor<U>&,         \
                                        std::uint32_t);
#define UNROLL_INSTANTIATE(T)                                                                      \
    template void Tape<T>::name(const Variable<T>&, std::string_view, Where);                      \
    template void Tape<T>::note_constant(NodeId, std::uint32_t, const Variable<T>&);               \
    template void Tape<T>::show_as(const Variable<T>&, const Variable<T>&);                        \
    template void Tape<T>::note_literal(const Variable<T>&, std::uint32_t, double);                \
    template void Tape<T>::note(ConstantUse);                                                      \
    template std::span<const ConstantUse> Tape<T>::constants_of(NodeId) const;                     \
    template const char* Tape<T>::fused_names(NodeId) const;                                       \
    template std::uint64_t Tape<T>::composite(NodeId) const;                                       \
    UNROLL_INSTANTIATE_FOR(T, float)                                                               \
    UNROLL_INSTANTIATE_FOR(T, double)                                                              \
    UNROLL_INSTANTIATE_FOR(T, std::int64_t)                                                        \
    UNROLL_INSTANTIATE_FOR(T, bool)

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll
