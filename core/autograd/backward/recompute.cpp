#include <unroll/core/autograd/backward/in_place.hpp>
#include <unroll/core/autograd/backward/pass.hpp>
#include <unroll/core/autograd/backward/recompute.hpp>
#include <unroll/core/autograd/backward/recorded.hpp>
#include <unroll/core/autograd/inner_run.hpp>
#include <unroll/core/autograd/record.hpp>
#include <unroll/core/base/evaluating.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <memory>
#include <optional>

namespace unroll {

namespace {

// Differs if one element differs, and almost certainly if several do.
template <class T>
std::uint64_t checksum(const Tensor<T>& x) {
    const Tensor<T> dense = x.contiguous();
    const auto* const bytes = reinterpret_cast<const unsigned char*>(dense.data());
    const std::size_t size = dense.size() * sizeof(T);
    const auto mixed = [](std::uint64_t sum, std::uint64_t word) {
        return std::rotl((sum ^ word) * 0x9e3779b97f4a7c15u, 31);
    };
    std::uint64_t a = 1, b = 2, c = 3, d = 4; // independent, for speed
    std::size_t at = 0;
    for (std::array<std::uint64_t, 4> words; at + sizeof words <= size; at += sizeof words) {
        std::memcpy(words.data(), bytes + at, sizeof words);
        a = mixed(a, words[0]);
        b = mixed(b, words[1]);
        c = mixed(c, words[2]);
        d = mixed(d, words[3]);
    }
    for (; at < size; ++at) a = mixed(a, bytes[at]);
    return mixed(mixed(mixed(a, b), c), d);
}

// Where a function runs, apart from the tape.
template <class T>
struct Setting {
    explicit Setting(Tape<T>& tape)
        : of_tape(tape.random()), of_thread(thread_random()),
          has_own(&tape.random() != &thread_random()), tape_evaluates(tape.is_evaluating()),
          evaluates(Evaluating::is_on()), path(Scope::current_path()) {}

    void apply_to(Tape<T>& tape) const {
        tape.set_evaluating(tape_evaluates);
        if (has_own) tape.set_random(of_tape);
    }

    Random of_tape, of_thread;
    bool has_own, tape_evaluates, evaluates;
    std::string path;
};

// For its scope, the generators have their states of the first run, and rules of a recorded pass
// seem not to run.
template <class T>
class Again {
public:
    Again(const Op& op, const Setting<T>& first, Tape<T>& tape)
        : called_(op.where), tape_(tape), now_(tape) {
        if (Evaluating::is_on() && !first.evaluates)
            fail(op, "it runs its function again in the backward pass, which is in the scope of an "
                     "Evaluating, but the first run was not; call backward outside of that scope");
        rule_run_ = std::exchange(detail::rule_run, 0);
        if (first.evaluates) evaluating_.emplace();
        if (!first.path.empty() && Scope::current_path().empty()) scope_.emplace(first.path);
        thread_random() = first.of_thread;
        tape.random() = first.of_tape;
        tape.set_evaluating(first.tape_evaluates);
    }
    ~Again() {
        thread_random() = now_.of_thread;
        tape_.random() = now_.of_tape;
        tape_.set_evaluating(now_.tape_evaluates);
        detail::rule_run = rule_run_;
    }
    Again(const Again&) = delete;
    Again& operator=(const Again&) = delete;

private:
    detail::SecondRun second_;
    Called called_;
    Tape<T>& tape_;
    Setting<T> now_;
    std::uint32_t rule_run_ = 0;
    std::optional<Evaluating> evaluating_;
    std::optional<Scope> scope_;
};

// A result of f that is a result of the recorded operation.
struct Output {
    std::size_t index; // among the results of f
    Shape shape;
    std::uint64_t checksum;
};

template <class T>
class RunAgain final : public Rule<T> {
public:
    RunAgain(const Op& op, Recomputed<T> f, Setting<T> first, std::size_t count,
             std::vector<Output> outputs, std::vector<Saved<T>> reads)
        : op_(op), f_(std::move(f)), first_(std::move(first)), count_(count),
          outputs_(std::move(outputs)), reads_(std::move(reads)) {}

    void run(const Adjoints<T>& to, std::span<const Variable<T>> gradients) override {
        for (const Saved<T>& x : reads_)
            if (x.variable.is_parameter() && !body(x).is_trainable)
                fail(op_, "the parameter '" + body(x).name() +
                              "' was frozen after it was recorded; freeze it after backward");
        if (to.is_recording())
            run_recorded(static_cast<Recorded<T>&>(to.accumulator()), gradients);
        else
            run_in_place(static_cast<InPlace<T>&>(to.accumulator()), gradients);
    }
    std::span<const Saved<T>> kept() const override { return reads_; }

private:
    static const ParameterBody<T>& body(const Saved<T>& x) {
        return static_cast<const ParameterBody<T>&>(*x.variable.body());
    }

    void run_in_place(InPlace<T>& outer, std::span<const Variable<T>> gradients) {
        Tape<T> tape;
        first_.apply_to(tape);
        std::vector<Variable<T>> results;
        {
            const Again again(op_, first_, tape);
            const detail::InnerRun<T> inner(tape, nullptr);
            results = checked(f_());
        }
        InPlace<T> accumulator(tape, outer);
        const NoRecording<T> paused;
        BackwardPass<T> pass(tape, accumulator, op_, accumulator.needed_leaves());
        pass.start(results, gradients);
        pass.sweep();
    }

    void run_recorded(Recorded<T>& accumulator, std::span<const Variable<T>> gradients) {
        Tape<T>& tape = accumulator.tape();
        accumulator.end_rule(); // those of the second run follow
        const auto begin = static_cast<NodeId>(tape.size());
        std::vector<Variable<T>> results;
        {
            const Again again(op_, first_, tape);
            results = checked(f_());
        }
        require_reads(tape, begin);
        BackwardPass<T> pass(accumulator, op_, begin);
        pass.start(results, gradients);
        pass.sweep();
    }

    // Throws Error unless nodes from `begin` depend only on each other and on what the first run
    // read.
    void require_reads(const Tape<T>& tape, NodeId begin) const {
        const auto is_read = [&](NodeId id) {
            return std::any_of(reads_.begin(), reads_.end(),
                               [&](const Saved<T>& x) { return x.node == id; });
        };
        for (NodeId id = begin; id < tape.size(); ++id) {
            const Node<T>& n = tape.node(id);
            bool is_known = n.parameter == nullptr;
            for (std::uint32_t i = 0; i < n.input_count; ++i)
                is_known = is_known &&
                           (n.inputs[i] == no_node || n.inputs[i] >= begin || is_read(n.inputs[i]));
            if (!is_known)
                fail(op_, "its function reads a variable or parameter in the backward pass that it "
                          "did not read the first time; it must compute the same both times");
        }
    }

    // The results that are those of the operation.
    std::vector<Variable<T>> checked(const std::vector<Variable<T>>& all) const {
        if (all.size() != count_)
            fail(op_, "its function returned " + std::to_string(count_) +
                          " values the first time, and " + std::to_string(all.size()) +
                          " in the backward pass");
        std::vector<Variable<T>> results;
        for (const Output& o : outputs_) {
            const Variable<T>& x = all[o.index];
            if (x.shape() != o.shape || checksum(x.value()) != o.checksum)
                fail(op_, "result " + std::to_string(o.index) + " of shape " + to_string(o.shape) +
                              " is another one in the backward pass. The function must compute the "
                              "same both times: it reads a tensor or a variable of the program "
                              "that has changed, or draws from a generator of its own");
            if (!x.is_recorded())
                fail(op_, "result " + std::to_string(o.index) + " of shape " + to_string(o.shape) +
                              " needed a gradient the first time, but was not recorded in the "
                              "backward pass");
            results.push_back(x);
        }
        return results;
    }

    Op op_;
    Recomputed<T> f_;
    Setting<T> first_;
    std::size_t count_;
    std::vector<Output> outputs_;
    std::vector<Saved<T>> reads_;
};

// f without recording; and the variables and parameters that it read.
template <class T>
std::vector<Variable<T>> first_run(const Op& op, Tape<T>& outer, const Setting<T>& setting,
                                   const Recomputed<T>& f, std::vector<Variable<T>>& reads) {
    Tape<T> tape;
    setting.apply_to(tape);
    const detail::InnerRun<T> inner(tape, &reads);
    std::vector<Variable<T>> results = f();
    if (setting.has_own) outer.random() = tape.random();
    for (Variable<T>& x : results) {
        if (!x.is_recorded() || x.tape() != &tape) continue;
        if (x.size() > 0)
            fail(op, "its function returns a variable of shape " + to_string(x.shape()) +
                         " that it created; create it outside, and pass it as an argument");
        x = stop_gradient(x); // an empty part of a buffer
    }
    return results;
}

template <class T>
bool shares_memory(const Tensor<T>& x, std::span<const Variable<T>> reads,
                   std::span<const Tensor<T>> earlier) {
    const auto is_same = [&](const Tensor<T>& y) { return y.storage() == x.storage(); };
    return x.size() > 0 && (std::any_of(earlier.begin(), earlier.end(), is_same) ||
                            std::any_of(reads.begin(), reads.end(),
                                        [&](const Variable<T>& y) { return is_same(y.value()); }));
}

template <class T>
Tensor<T> stored(const OutputSlot<T>& slot, const Tensor<T>& x) {
    unversioned(slot.memory).assign(x);
    return slot.memory;
}

} // namespace

template <class T>
std::vector<Variable<T>> recompute(const Op& op, Tape<T>* tape, const Recomputed<T>& f,
                                   const OutputSlot<T>& slot) {
    const auto* const inner = detail::InnerRun<T>::current();
    const bool records = tape != nullptr && !(inner != nullptr && inner->only_computes());
    const std::optional<Setting<T>> setting =
        records ? std::optional<Setting<T>>(*tape) : std::nullopt;
    std::vector<Variable<T>> reads;
    std::vector<Variable<T>> results = records ? first_run(op, *tape, *setting, f, reads) : f();

    std::vector<Output> outputs;
    std::vector<Tensor<T>> values;
    for (std::size_t i = 0; i < results.size() && !reads.empty(); ++i) {
        const Variable<T>& x = results[i];
        if (!x.has_value() || x.is_recorded() || x.is_parameter() ||
            x.body()->lost != Lost::in_gradient)
            continue;
        outputs.push_back({i, x.shape(), checksum(x.value())});
        if (i == 0 && slot.is_given())
            values.push_back(stored(slot, x.value()));
        else
            values.push_back(shares_memory<T>(x.value(), reads, values) ? x.value().copy()
                                                                        : x.value());
    }
    if (slot.is_given() && (outputs.empty() || outputs[0].index != 0)) {
        detail::note_lost(results[0].body()->lost, slot);
        stored(slot, results[0].value());
    }
    if (outputs.empty()) return results;

    std::vector<const Variable<T>*> inputs;
    for (const Variable<T>& x : reads) inputs.push_back(&x);
    std::vector<Variable<T>> out(outputs.size());
    const bool is_stored = slot.is_given() && outputs[0].index == 0;
    const NodeId first = detail::record_results<T>(
        op, inputs, values, out, std::span<const OutputSlot<T>>(&slot, is_stored ? 1 : 0));
    for (std::size_t i = 0; i < out.size(); ++i) results[outputs[i].index] = out[i];
    Tape<T>& on = *out[0].tape();
    std::vector<Saved<T>> saved;
    for (const Variable<T>& x : reads) saved.push_back(on.save(x));
    void* const memory = on.arena().allocate(sizeof(RunAgain<T>), alignof(RunAgain<T>));
    on.set_rule(first, new (memory) RunAgain<T>(on.node(first).op, f, *setting, results.size(),
                                                std::move(outputs), std::move(saved)));
    on.report(first, inputs, out);
    return results;
}

template <class T>
Variable<T> relocated(const Variable<T>& x, const Tensor<T>& memory) {
    const auto* const inner = detail::InnerRun<T>::current();
    Tape<T>* const tape = Tape<T>::recording(x);
    if (tape == nullptr || !x.is_recorded() || (inner != nullptr && inner->only_computes()))
        return x;
    unversioned(memory).assign(x.value());
    return tape->handle(memory, tape->save(x).node);
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template std::vector<Variable<T>> recompute(const Op&, Tape<T>*, const Recomputed<T>&,         \
                                                const OutputSlot<T>&);                             \
    template Variable<T> relocated(const Variable<T>&, const Tensor<T>&);

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll
