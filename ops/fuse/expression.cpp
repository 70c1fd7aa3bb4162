#include <unroll/core/base/per_thread.hpp>
#include <unroll/core/kernels/loops.hpp>
#include <unroll/ops/fuse/function_table.hpp>

#include <algorithm>
#include <cmath>
#include <sstream>
#include <unordered_map>

namespace unroll {

namespace {

const Function& function_of(const Expression::Term& term) {
    return function(static_cast<Code>(term.function));
}

// Marks the terms that the outputs depend on.
std::vector<bool> alive(const Expression& e) {
    std::vector<bool> used(e.terms.size(), false);
    for (const std::uint32_t output : e.outputs) used[output] = true;
    for (std::size_t i = e.terms.size(); i-- > 0;)
        for (unsigned k = 0; used[i] && k < function_of(e.terms[i]).arguments; ++k)
            used[e.terms[i].arguments[k]] = true;
    return used;
}

bool is_zero(const Expression& e, std::size_t output) {
    const auto& term = e.terms[e.outputs[output]];
    return static_cast<Code>(term.function) == Code::number && term.number == 0;
}

// ---- evaluation ----

// Elements evaluated at a time: a multiple of every vector width, and few enough that the values of
// all terms take at most `most_values` of memory, unless there are thousands of terms.
constexpr std::size_t most_values = 65536;
std::size_t piece_of(std::size_t terms) {
    constexpr std::size_t widest = 16, longest = 128;
    return std::clamp(most_values / terms / widest * widest, widest, longest);
}

template <class T>
void run_term(const Function& f, const T* a, const T* b, const T* c, T* out, std::size_t n) {
    if constexpr (std::same_as<T, float>)
        f.in_float(a, b, c, out, n);
    else
        f.in_double(a, b, c, out, n);
}

// The kernel for one row, as RowOf is for a lambda.
template <class T>
void run_row(const void* f, T* const* pointers, const std::size_t* steps, const bool* adds,
             std::size_t n) {
    constexpr std::size_t W = Lanes<T>::width;
    const Expression& e = *static_cast<const Expression*>(f);
    const std::size_t piece = piece_of(e.terms.size());
    struct Kept {
        std::vector<T> values;
    };
    std::vector<T> own;
    std::vector<T>& memory =
        e.terms.size() * piece <= most_values ? per_thread<Kept>().values : own;
    memory.resize(std::max(memory.size(), e.terms.size() * piece));
    const auto row = [&](std::uint32_t term) { return memory.data() + term * piece; };
    for (std::size_t t = e.inputs; t < e.terms.size(); ++t)
        if (e.terms[t].function == static_cast<std::uint16_t>(Code::number))
            std::fill_n(row(static_cast<std::uint32_t>(t)), piece,
                        static_cast<T>(e.terms[t].number));
    for (std::size_t i = 0; i < n; i += piece) {
        const std::size_t count = std::min(piece, n - i);
        const std::size_t padded = (count + W - 1) / W * W;
        for (std::uint32_t k = 0; k < e.inputs; ++k) {
            T* const to = row(k);
            if (steps[k] == 0)
                std::fill_n(to, padded, *pointers[k]);
            else
                std::fill(std::copy_n(pointers[k] + i, count, to), to + padded, pointers[k][i]);
        }
        for (std::uint32_t t = e.inputs; t < e.terms.size(); ++t) {
            const auto& term = e.terms[t];
            const Function& what = function_of(term);
            if (what.arguments == 0) continue;
            run_term(what, row(term.arguments[0]), row(term.arguments[1]), row(term.arguments[2]),
                     row(t), padded);
        }
        for (std::size_t j = 0; j < e.outputs.size(); ++j) {
            T* const to = pointers[e.inputs + j];
            if (to == nullptr) continue;
            const T* const from = row(e.outputs[j]);
            if (steps[e.inputs + j] == 0)
                for (std::size_t k = 0; k < count; ++k)
                    to[k % W] = adds[j] || i + k >= W ? to[k % W] + from[k] : from[k];
            else if (adds[j])
                for (std::size_t k = 0; k < count; ++k) to[i + k] += from[k];
            else
                std::copy_n(from, count, to + i);
        }
    }
}

template <class T>
void evaluate_into(const Expression& e, const Shape& shape, std::span<const InputOperand<T>> in,
                   std::span<const OutputOperand<T>> out) {
    detail::map_rows<T>(shape, in, out, {&e, &run_row<T>});
}

template <class T>
Shape common_shape(const Op& op, std::span<const Variable<T>> x) {
    std::vector<const Shape*> shapes;
    for (const auto& v : x) shapes.push_back(&v.shape());
    return broadcast(op, shapes);
}

template <class T>
class ExpressionRule final : public Rule<T> {
public:
    ExpressionRule(Tape<T>& tape, std::shared_ptr<const Expression> expression,
                   std::span<const Variable<T>> x)
        : expression_(std::move(expression)) {
        for (const auto& v : x) saved_.push_back(tape.save(v));
    }

    void run(const Adjoints<T>& to, std::span<const Variable<T>> gradients) override {
        std::vector<Variable<T>> x;
        for (const Saved<T>& s : saved_) x.push_back(s.variable);
        add_pulled_back<T>(*expression_, to, x, gradients);
    }
    std::span<const Saved<T>> kept() const override { return saved_; }
    Formula formula() const override {
        Formula found = expression_->formula(nullptr);
        found.is_primitive = true; // derived expressions, which are not the user's
        return found;
    }

private:
    std::shared_ptr<const Expression> expression_;
    std::vector<Saved<T>> saved_;
};

// ---- differentiation ----

// The adjoints of a term, one per condition under which they apply. The branch that a where did not
// select must contribute exactly 0, never 0 times infinity, so conditions are carried along and
// applied at the inputs.
struct Arrived {
    std::uint32_t condition; // a term, or none
    Symbol adjoint;
};
constexpr std::uint32_t always = ~std::uint32_t{0};

class Backward {
public:
    explicit Backward(const Expression& e) : e_(e), at_(e.terms.size()) {}

    void add(std::uint32_t term, std::uint32_t condition, Symbol contribution) {
        for (Arrived& a : at_[term])
            if (a.condition == condition) {
                a.adjoint = a.adjoint + contribution;
                return;
            }
        at_[term].push_back({condition, contribution});
    }

    void pass_on(std::uint32_t t) {
        const auto& term = e_.terms[t];
        const Function& f = function_of(term);
        for (const Arrived& a : std::vector<Arrived>(at_[t])) {
            if (f.code == Code::where) {
                const Condition c{term.arguments[0]};
                add(term.arguments[1], both(a.condition, c), a.adjoint);
                add(term.arguments[2], both(a.condition, !c), a.adjoint);
            } else if (f.derivative != nullptr) {
                std::vector<Symbol> x;
                for (unsigned k = 0; k < f.arguments; ++k)
                    x.push_back(Symbol::at(term.arguments[k]));
                for (unsigned k = 0; k < f.arguments; ++k) {
                    if (!depends(term.arguments[k])) continue;
                    add(term.arguments[k], a.condition, a.adjoint * f.derivative(x, k));
                }
            }
        }
    }

    Symbol total(std::uint32_t input) const {
        Symbol sum = 0;
        for (const Arrived& a : at_[input])
            sum = sum +
                  (a.condition == always ? a.adjoint : where(Condition{a.condition}, a.adjoint, 0));
        return sum;
    }

private:
    static std::uint32_t both(std::uint32_t a, Condition b) {
        return a == always ? b.term : (Condition{a} && b).term;
    }
    bool depends(std::uint32_t term) const {
        const auto code = static_cast<Code>(e_.terms[term].function);
        return code != Code::number && code != Code::slot;
    }

    const Expression& e_;
    std::vector<std::vector<Arrived>> at_;
};

// Removes the terms and inputs that no output depends on.
Pullback pruned(const Expression& e) {
    const std::vector<bool> used = alive(e);
    Pullback out;
    std::vector<std::uint32_t> moved(e.terms.size());
    for (std::uint32_t t = 0; t < e.terms.size(); ++t) {
        if (!used[t]) continue;
        moved[t] = static_cast<std::uint32_t>(out.expression.terms.size());
        Expression::Term term = e.terms[t];
        for (unsigned k = 0; k < function_of(term).arguments; ++k)
            term.arguments[k] = moved[term.arguments[k]];
        out.expression.terms.push_back(term);
        if (t >= e.inputs) continue;
        ++out.expression.inputs;
        out.reads.push_back(t);
    }
    for (const std::uint32_t output : e.outputs) out.expression.outputs.push_back(moved[output]);
    return out;
}

Pullback differentiate(const Expression& e, const std::vector<bool>& needs_grad,
                       const std::vector<bool>& received) {
    const auto gradients = static_cast<std::uint32_t>(e.outputs.size());
    Reading reading(e.inputs + gradients);
    // The terms of e follow the gradients.
    std::vector<std::uint32_t> moved(e.terms.size());
    for (std::uint32_t t = 0; t < e.terms.size(); ++t) {
        Expression::Term term = e.terms[t];
        for (unsigned k = 0; k < function_of(term).arguments; ++k)
            term.arguments[k] = moved[term.arguments[k]];
        moved[t] = t < e.inputs ? t : static_cast<std::uint32_t>(reading.expression.terms.size());
        if (t >= e.inputs) reading.expression.terms.push_back(term);
    }
    const Expression copy = reading.expression;
    Backward backward(copy);
    for (std::uint32_t j = 0; j < gradients; ++j)
        if (received[j]) backward.add(moved[e.outputs[j]], always, Symbol::at(e.inputs + j));
    for (auto t = static_cast<std::uint32_t>(copy.terms.size()); t-- > e.inputs + gradients;)
        backward.pass_on(t);
    for (std::uint32_t i = 0; i < e.inputs; ++i)
        if (needs_grad[i]) reading.output(backward.total(i));
    return pruned(reading.expression);
}

// ---- cached derivatives ----

// Moves an expression's constants to `numbers`, except 0, 1 and -1, which the arithmetic of symbols
// simplifies: expressions that differ only in a constant share one derivative.
Expression with_slots(const Expression& e, std::vector<double>& numbers) {
    Expression out = e;
    for (auto& term : out.terms) {
        const double n = term.number;
        const bool stays = (n == 0 && !std::signbit(n)) || std::abs(n) == 1;
        if (static_cast<Code>(term.function) != Code::number || stays) continue;
        term = {static_cast<std::uint16_t>(Code::slot),
                {static_cast<std::uint32_t>(numbers.size())},
                0};
        numbers.push_back(n);
    }
    return out;
}

Pullback with_numbers(Pullback pullback, const std::vector<double>& numbers) {
    for (auto& term : pullback.expression.terms)
        if (static_cast<Code>(term.function) == Code::slot)
            term = {static_cast<std::uint16_t>(Code::number), {}, numbers[term.arguments[0]]};
    return pullback;
}

struct Key {
    Expression expression; // with slots
    std::vector<bool> needs_grad, received;
    friend bool operator==(const Key&, const Key&) = default;
};

struct Hash {
    std::size_t operator()(const Key& key) const {
        std::size_t h = key.expression.inputs;
        const auto mix = [&h](std::size_t v) { h = (h ^ v) * 0x9e3779b97f4a7c15u; };
        for (const auto& term : key.expression.terms) {
            mix(term.function);
            for (const std::uint32_t a : term.arguments) mix(a);
            mix(std::hash<double>()(term.number));
        }
        for (const std::uint32_t output : key.expression.outputs) mix(output);
        mix(std::hash<std::vector<bool>>()(key.needs_grad));
        mix(std::hash<std::vector<bool>>()(key.received));
        return h;
    }
};

struct CachedPullback {
    Pullback with_slots;
    std::vector<double> numbers; // the constants of `latest`
    std::shared_ptr<const Pullback> latest;
};

// Enough for a few per kind of cell in a program, whatever the number of steps.
using PullbackCache = std::unordered_map<Key, CachedPullback, Hash>;
constexpr std::size_t most_known = 1000;

} // namespace

std::size_t known_pullbacks() { return per_thread<PullbackCache>().size(); }

std::shared_ptr<const Pullback> pull_back(const Expression& expression,
                                          const std::vector<bool>& needs_grad,
                                          const std::vector<bool>& received) {
    std::vector<double> numbers;
    Key key{with_slots(expression, numbers), needs_grad, received};
    auto& cache = per_thread<PullbackCache>();
    auto at = cache.find(key);
    if (at == cache.end()) {
        Pullback made = differentiate(key.expression, needs_grad, received);
        if (cache.size() >= most_known) cache.clear();
        at = cache.emplace(std::move(key), CachedPullback{std::move(made), {}, nullptr}).first;
    }
    CachedPullback& found = at->second;
    if (!found.latest || found.numbers != numbers) {
        found.latest = std::make_shared<const Pullback>(with_numbers(found.with_slots, numbers));
        found.numbers = std::move(numbers);
    }
    return found.latest;
}

template <class T>
std::vector<Variable<T>> evaluate(const Op& op, std::shared_ptr<const Expression> expression,
                                  std::span<const Variable<T>> x) {
    const Shape shape = common_shape(op, x);
    std::vector<InputOperand<T>> sources;
    std::vector<const Variable<T>*> inputs;
    for (const auto& v : x) {
        sources.emplace_back(v.value());
        inputs.push_back(&v);
    }
    std::vector<Tensor<T>> values;
    for (std::size_t j = 0; j < expression->outputs.size(); ++j) values.emplace_back(shape);
    std::vector<OutputOperand<T>> sinks(values.begin(), values.end());
    evaluate_into<T>(*expression, shape, sources, sinks);
    std::vector<Variable<T>> results(values.size());
    const NodeId first = detail::record_results<T>(op, inputs, values, results, {});
    if (first == no_node) return results;
    Tape<T>& tape = *results[0].tape();
    void* memory = tape.arena().allocate(sizeof(ExpressionRule<T>), alignof(ExpressionRule<T>));
    tape.set_rule(first, new (memory) ExpressionRule<T>(tape, std::move(expression), x));
    tape.report(first, inputs, results);
    return results;
}

template <class T>
void add_pulled_back(const Expression& expression, const Adjoints<T>& to,
                     std::span<const Variable<T>> x, std::span<const Variable<T>> gradients) {
    std::vector<bool> needs_grad, received;
    std::vector<Variable<T>> operands;
    for (std::size_t i = 0; i < x.size(); ++i) needs_grad.push_back(to[i].needs_grad());
    for (const auto& g : gradients) received.push_back(g.has_value());
    if (std::find(needs_grad.begin(), needs_grad.end(), true) == needs_grad.end()) return;
    const auto pullback = pull_back(expression, needs_grad, received);
    for (const std::uint32_t r : pullback->reads)
        operands.push_back(r < x.size() ? x[r] : gradients[r - x.size()]);
    const std::shared_ptr<const Expression> contributions(pullback, &pullback->expression);

    if (to.is_recording()) {
        const Op op = Op::unplaced(to.accumulator().derivative_name());
        const auto added = evaluate<T>(op, contributions, operands);
        std::size_t next = 0;
        for (std::size_t i = 0; i < x.size(); ++i) {
            if (!needs_grad[i]) continue;
            if (!is_zero(*contributions, next)) to[i].add(added[next]);
            ++next;
        }
        return;
    }
    std::vector<Adjoint<T>> adjoints;
    std::vector<InputOperand<T>> sources;
    for (std::size_t i = 0; i < x.size(); ++i)
        if (needs_grad[i]) adjoints.push_back(to[i]);
    for (const auto& v : operands) sources.emplace_back(v.value());
    std::vector<OutputOperand<T>> sinks(adjoints.size());
    Adjoint<T>::open(adjoints, sinks);
    evaluate_into<T>(*contributions, common_shape<T>(Op::unplaced("pull_back"), x), sources, sinks);
}

namespace {
std::string latex_of(const Function& f) {
    if (f.latex != nullptr) return f.latex;
    std::string name = f.text;
    for (std::size_t i = 0; (i = name.find('_', i)) != name.npos; i += 2) name.insert(i, "\\");
    return "\\operatorname{" + name + "}";
}
} // namespace

Formula Expression::formula(const char* names) const {
    std::vector<std::string> words;
    if (names != nullptr) {
        std::istringstream in(names);
        for (std::string word; in >> word;)
            if (word != "->") words.push_back(word);
    }
    const auto name = [&](std::size_t i, const std::string& otherwise) {
        return i < words.size() ? words[i] : otherwise;
    };
    Formula f;
    const std::vector<bool> used = alive(*this);
    std::vector<std::uint32_t> moved(terms.size());
    for (std::uint32_t t = 0; t < terms.size(); ++t) {
        if (!used[t] && t >= inputs) continue;
        const Function& what = function_of(terms[t]);
        Formula::Term term = what.code == Code::number
                                 ? Formula::Term::of_number(terms[t].number)
                                 : Formula::Term{what.kind, what.text, latex_of(what), {}};
        if (what.code == Code::input)
            term.text = term.latex = name(t, inputs == 1 ? "x" : "x" + std::to_string(t + 1));
        for (unsigned k = 0; k < what.arguments; ++k)
            term.arguments.push_back(moved[terms[t].arguments[k]]);
        moved[t] = static_cast<std::uint32_t>(f.terms.size());
        f.terms.push_back(std::move(term));
    }
    for (std::size_t j = 0; j < outputs.size(); ++j)
        f.outputs.push_back({name(inputs + j, ""), moved[outputs[j]]});
    return f;
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template std::vector<Variable<T>> evaluate(const Op&, std::shared_ptr<const Expression>,       \
                                               std::span<const Variable<T>>);                      \
    template void add_pulled_back(const Expression&, const Adjoints<T>&,                           \
                                  std::span<const Variable<T>>, std::span<const Variable<T>>);

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll
