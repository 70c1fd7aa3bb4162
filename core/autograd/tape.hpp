#pragma once

#include <unroll/core/autograd/monitor.hpp>
#include <unroll/core/autograd/parameter.hpp>
#include <unroll/core/autograd/rule.hpp>
#include <unroll/core/base/arena.hpp>
#include <unroll/core/base/error.hpp>
#include <unroll/core/base/scope.hpp>
#include <unroll/core/tensor/random.hpp>
#include <unroll/core/tensor/strided_view.hpp>

#include <array>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

namespace unroll {

// A gradient being accumulated in a backward pass.
template <class T>
struct Gradient {
    StorageRef storage;
    T* data = nullptr;
    WrittenRegions covered;

    Tensor<T> at(const StridedView& part) const {
        return Tensor<T>(storage, data + part.offset, part.layout);
    }
};

// How pictures write an operation.
enum class Notation : std::uint8_t {
    call,      // by its name
    ordered,   // by its name; only the order distinguishes its operands, as in a - b
    symmetric, // by its name; the order of its operands does not matter
    sum,       // by a sign between two operands
    difference,
    product,
    quotient,
    power,
    same // not at all: its result is its operand
};

// One recorded value. Read by pictures and reports; rules never access it.
template <class T>
struct Node {
    Op op = "";
    const NodeId* inputs = nullptr; // no_node: a constant
    Rule<T>* rule = nullptr;        // null: a leaf, a view, a later output, or freed
    StridedView view;               // its part of the gradient of `root`
    ParameterBody<T>* parameter = nullptr;
    Gradient<T>* gradient = nullptr; // of a root, while a backward pass runs in place
    std::uint32_t input_count = 0;
    std::uint32_t scope = 0;          // index into Tape::scopes()
    NodeId operation = no_node;       // first node of the operation; it holds the rule
    std::uint32_t outputs = 1;        // of the operation, on consecutive nodes
    NodeId root = no_node;            // owner of the gradient: the node, or the base of a view
    std::uint32_t rows = no_node;     // index of the record of rows written in place
    std::uint32_t retained = no_node; // index of the gradient kept for the user
    Notation notation = Notation::call;
    bool is_view = false; // shares the gradient of `root`
    bool is_used_up = false;
    bool is_apart =
        false; // it has a gradient of its own, but its elements are part of another root

    bool is_leaf() const { return input_count == 0 && rows == no_node; }
};

struct ScopeEntry {
    std::uint32_t parent;
    std::string_view name;
    std::int64_t index;
    Where caller = Where();       // of the outermost module; line 0: none
    const void* module = nullptr; // identifies the module that opened it; null if none did
    std::uint64_t serial = 0;     // of the Scope; 0: of the whole tape

    // Time steps are scopes named "t" with an index.
    bool is_step() const { return index != Scope::no_index && name == "t"; }
};

// An operand that was not recorded, for pictures: a constant, a tensor of indices or conditions, or
// a number that the operation captured.
struct ConstantUse {
    NodeId node;
    std::uint32_t input; // its number among the arguments of the call, or not_an_input
    std::uint64_t value; // the same for every use of one value; of a constant, its next_number()
    LayoutRef layout;
    const char* name;    // of a frozen parameter, or what a tensor is to the operation; else null
    double number;       // of a scalar
    const void* data;    // its first element
    std::uint32_t width; // of an element, in bytes
    StorageRef storage;  // keeps its address in use; empty for a literal or parameter

    static constexpr std::uint32_t not_an_input = ~std::uint32_t{0};
    // A number written in the program, such as 2 in pow(x, 2).
    bool is_literal() const { return name == nullptr && layout->shape.empty(); }
    // Indices, a mask or the like, which the operation reads beside its recorded inputs.
    bool is_beside_inputs() const { return name != nullptr && storage; }
};

// The name of a constant, given by ConstantUse::value.
struct NamedConstant {
    std::uint64_t value;
    LayoutRef layout;
    const char* name;
};

// The name of a tensor and of its views. Of several names, an operation has the last one given
// before it; if there is none, the first one given after it.
struct TensorName {
    StorageRef storage;
    const void* first; // the lowest and the highest address of its elements
    const void* last;
    LayoutRef layout;
    NodeId since;
    const char* name;
};

struct BackwardOptions {
    bool retain = false;           // keep the saved tensors, so that backward can run again
    bool allow_non_finite = false; // of a loss, which is otherwise an error if it is inf or NaN
};

struct GradientOptions {
    bool create_graph = false; // record the gradients for further differentiation; implies retain
    bool retain = false;
};

template <class T>
class BackwardPass;

// Buffers reused from one backward pass to the next.
template <class T>
struct PassMemory {
    struct Seeded {
        NodeId node;
        Variable<T> gradient;
    };
    struct DeferredProduct {
        NodeId target;
        Tensor<T> a, b;
    };
    std::vector<Seeded> starts, found;
    std::vector<Variable<T>> incoming;
    std::vector<DeferredProduct> deferred; // of InPlace, which frees them

    void clear() { starts.clear(), found.clear(), incoming.clear(); }
};

// Records the operations computed during its lifetime, in order, and runs them backward. A tape
// records for its own thread:
//   for (const auto& [x, y] : batches) {
//       Tape tape;
//       tape.backward(cross_entropy(model(x), y));
//       adam.step();
//   }
// Of nested tapes the innermost records, even if it was created in the scope of a NoRecording or in
// a rule of another backward pass. An operation on variables of another tape is recorded there.
// Several threads may use a tape in turn, but not at once: an operation that is recorded while
// another thread records one throws Error.
// Without a tape the same calls only compute. The next tape of the thread reuses the memory of a
// destroyed one, so that a warm step allocates nothing.
template <class T>
class Tape {
public:
    [[nodiscard]] Tape();
    ~Tape();
    Tape(const Tape&) = delete;
    Tape& operator=(const Tape&) = delete;

    // The tape that records on this thread; null if none does.
    static Tape* current();
    // Whether nothing is recorded because of a NoRecording that was created after the last tape of
    // this thread.
    static bool is_paused();
    // For messages: how to make a tape record.
    static const char* how_to_record();
    // The tape that records operations on x: its own, or the current one; null if none does.
    static Tape* recording(const Variable<T>& x);

    // A leaf that needs a gradient. The name is copied.
    Variable<T> variable(Tensor<T> value, std::string_view name = "variable",
                         Where where = Where::current());

    // Adds d y / d leaf to the gradient of every leaf: from a scalar, or from any tensor with a
    // seed of its shape. Gradients of parameters are added to ParameterRef::gradient(). A constant
    // has zero gradients, so nothing is added. Throws Error, changing no gradient and no rule, for
    // a variable of another or a cleared tape, a tape already freed by backward, a saved value that
    // has changed since it was recorded, and a scalar y that is infinite or NaN.
    void backward(const Variable<T>& y, BackwardOptions options = {},
                  Where where = Where::current());
    void backward(const Variable<T>& y, const Tensor<T>& seed, BackwardOptions options = {},
                  Where where = Where::current());
    // The same from several values at once.
    void backward(std::span<const Variable<T>> y, std::span<const Variable<T>> seeds,
                  BackwardOptions options = {}, Where where = Where::current());

    // d (sum over i of seeds[i] . y[i]) / d x for every x of `wrt`: leaves, parameters, results of
    // operations. Does not change the gradients of the tape or of parameters. Zeros if y does not
    // depend on x. Throws Error as backward does, and if x is a constant or a view that was not
    // retained.
    std::vector<Variable<T>> gradients(std::span<const Variable<T>> y,
                                       std::span<const Variable<T>> seeds,
                                       std::span<const Variable<T>> wrt,
                                       GradientOptions options = {}, Op op = "gradients");

    // Requests the gradient of an intermediate value. Must be called before the value is used.
    void retain(const Variable<T>& x, Where where = Where::current());
    // The accumulated gradient of a leaf, a parameter or a retained value. Zeros if it received
    // none.
    Tensor<T> gradient(const Variable<T>& x, Where where = Where::current()) const;

    // Names a value for pictures: a state that a loop carries, a result, or a constant that is an
    // operand. The name is copied.
    void name(const Variable<T>& x, std::string_view name, Where where = Where::current());
    // The same for a tensor, such as indices, targets or a mask, and for its views, before or after
    // it is used.
    template <class U>
    void name(const Tensor<U>& x, std::string_view name);

    // Discards everything that was recorded.
    void clear();

    // The generator of random operations: the thread's, unless set_random gave the tape its own.
    // Dropout is active only while a tape records that is not in evaluation mode.
    Random& random() { return own_random_ ? random_ : thread_random(); }
    void set_random(const Random& random) { random_ = random, own_random_ = true; }
    bool is_evaluating() const { return evaluating_; }
    void set_evaluating(bool on) { evaluating_ = on; }

    // Parameters' gradients stay on this tape, in order of first use, for batch-parallel training.
    void keep_gradients_apart(bool on) { apart_ = on; }
    bool keeps_gradients_apart() const { return apart_; }
    struct ParameterGradient {
        ParameterRef<T> parameter;
        Tensor<T> gradient; // without storage if it received none
    };
    std::vector<ParameterGradient> parameter_gradients() const;

    // Bytes saved for backward. Shared memory counts once; parameters do not count.
    std::size_t kept_bytes() const;

    std::size_t size() const { return m_->size; }
    const Node<T>& node(NodeId id) const { return m_->node(id); }
    const std::vector<ScopeEntry>& scopes() const { return m_->scopes; }
    std::string scope_path(std::uint32_t scope) const { return path(scope, true); }
    // The same for all time steps: "encoder.t".
    std::string module_path(std::uint32_t scope) const { return path(scope, false); }
    // The innermost time step around the scope, or no_index; and the scope around the outermost
    // one.
    std::int64_t time_step(std::uint32_t scope) const;
    std::uint32_t around_steps(std::uint32_t scope) const;
    Where caller(std::uint32_t scope) const {
        return scope < m_->scopes.size() ? m_->scopes[scope].caller : Where();
    }
    const std::vector<std::pair<NodeId, const char*>>& names() const { return m_->names; }
    // The name that name() gave it, or else that of its operation.
    const char* name_of(NodeId id) const;
    // Operands that were not recorded, in the order of their use.
    const std::vector<ConstantUse>& constants() const { return m_->constants; }
    std::span<const ConstantUse> constants_of(NodeId id) const;
    // What a fused operation computes, with its literal operands; empty if it is not one, or if its
    // rule was freed.
    Formula formula(NodeId operation) const;
    // Names of operands and results of a fused operation, "i f g o c -> h c'"; null if it has none.
    const char* fused_names(NodeId operation) const;
    // The number of the Composite that a node is a part of; 0: none.
    std::uint64_t composite(NodeId id) const;
    const std::vector<NamedConstant>& named_constants() const { return m_->named_constants; }
    const std::vector<TensorName>& named_tensors() const { return m_->named_tensors; }

    // ---- for record() ----

    // One recording in progress. Throws Error if there is another: that of another thread. Two
    // threads that begin within a few nanoseconds may both miss it.
    class Appending {
    public:
        Appending(Tape& tape, const Op& op) : is_appending_(tape.m_->is_appending) {
            if (is_appending_.load(std::memory_order_relaxed)) [[unlikely]]
                refuse_concurrent(op);
            is_appending_.store(true, std::memory_order_relaxed);
        }
        ~Appending() { is_appending_.store(false, std::memory_order_relaxed); }
        Appending(const Appending&) = delete;
        Appending& operator=(const Appending&) = delete;

    private:
        std::atomic<bool>& is_appending_;
    };

    // Where an operation on `inputs` is recorded. Throws Error for inputs from two tapes or from a
    // cleared one, and for inputs that are read and were overwritten in place.
    struct Context {
        Tape* tape = nullptr; // null: it only computes
        Lost lost = Lost::nothing;
        std::uint32_t rule_run = 0;

        // A result that is not recorded.
        Variable<T> plain(Tensor<T> value) const;
    };
    static Context of(const Op& op, std::span<const Variable<T>* const> inputs, bool read = true);
    // Appends a value and its inputs; several outputs are appended by as many calls.
    NodeId append(const Op& op, std::span<const Variable<T>* const> inputs, const Tensor<T>& value);
    // Appends a view of `base`, which shares its gradient. Throws Error if the view is not within
    // the memory of `base`.
    NodeId append_view(const Op& op, const Variable<T>& base, const Tensor<T>& view);
    void place(NodeId id, NodeId root, const StridedView& view);
    // A variable for a node.
    Variable<T> handle(Tensor<T> value, NodeId id, std::uint32_t rule_run = 0) const;
    Node<T>& node(NodeId id) { return m_->node(id); }
    Arena& arena() { return m_->arena; }
    // Registers an unrecorded tensor, for pictures, as an operand of the operation that computed y.
    // `role`: what it is, such as "indices". `input`: the operand that it replaces, if any.
    template <class U>
    void note_operand(const Variable<T>& y, const char* role, const Tensor<U>& operand,
                      std::uint32_t input = ConstantUse::not_an_input);
    // The same for a number that the operation captured, argument `position` of its call.
    void note_literal(const Variable<T>& y, std::uint32_t position, double number);
    // Pictures show the constant y as the constant x, of which it is a copy with zeros after the
    // end of sequences.
    void show_as(const Variable<T>& y, const Variable<T>& x);
    // How pictures write the operation that computed a value, or what it views.
    void set_notation(NodeId id, Notation notation) { node(operation_of(id)).notation = notation; }
    // Names of operands and results, in the form of named().
    void set_names(NodeId first, const char* names) {
        m_->fused_names.push_back({first, op_name(names)});
    }
    // Sets the rule of an operation. The rule is allocated in the arena.
    void set_rule(NodeId first, Rule<T>* rule) {
        node(first).rule = rule;
        ++m_->rules;
    }
    // Saves a value for a rule until the tape is cleared.
    Saved<T> save(const Variable<T>& x);
    // A root without a value, whose rows other nodes will write.
    NodeId append_buffer(const Shape& shape);
    NodeId append_rows(const Variable<T>& buffer, const Tensor<T>& view);
    bool any_row_written(NodeId buffer, std::size_t begin, std::size_t end) const;
    bool is_written(NodeId buffer, const StridedView& part) const;
    // Whether a part of the node's value was overwritten in place after `since`.
    bool overwritten(NodeId id, NodeId since) const {
        const Node<T>& n = node(id);
        return (n.is_apart || node(n.root).rows != no_node) && row_overwritten(id, since);
    }
    // Head of the monitor list, or null.
    Monitor<T>* monitors() const { return monitors_; }
    // Calls every monitor.
    void report(NodeId first, std::span<const Variable<T>* const> inputs,
                std::span<const Variable<T>> results) {
        if (monitors_ != nullptr) [[unlikely]]
            for_monitors([&](Monitor<T>& m) { m.recorded(first, inputs, results); });
    }

private:
    friend class Monitor<T>;
    friend class BackwardPass<T>;
    template <class U>
    friend class InPlace;
    template <class U>
    friend class Recorded;
    template <class U>
    friend class Recording;
    template <class U>
    friend std::unique_ptr<Tape<U>> idle_tape();

    static constexpr std::size_t chunk = 1024;
    static constexpr std::uint32_t no_scope = ~std::uint32_t{0};

    // Reused by the next tape of the thread.
    struct Memory {
        Memory();
        ~Memory();
        static std::unique_ptr<Memory> take();
        static void give_back(std::unique_ptr<Memory> memory);
        Node<T>& node(NodeId id) { return chunks[id / chunk][id % chunk]; }

        struct Mark { // the scope last recorded at a depth
            std::uint64_t serial = 0;
            std::uint32_t id = 0;
        };
        struct Leaf {
            const Value<T>* body = nullptr;
            NodeId node = no_node;
        };

        TapeSlot<T>* slot;
        std::atomic<bool> is_appending = false;
        std::vector<std::unique_ptr<Node<T>[]>> chunks;
        std::size_t size = 0;
        Arena arena;
        std::array<std::pair<const char*, const char*>, 64> op_names{};
        std::vector<std::unique_ptr<Gradient<T>>> spare_gradients;
        std::vector<ScopeEntry> scopes;
        std::vector<Mark> marks;  // by depth
        std::vector<Leaf> leaves; // open addressing
        std::vector<std::pair<Variable<T>, NodeId>> leaf_order;
        std::vector<Tensor<T>> retained;
        std::vector<std::pair<NodeId, const char*>> names;
        std::vector<ConstantUse> constants;
        std::vector<std::pair<NodeId, const char*>> fused_names;
        std::vector<std::pair<NodeId, std::uint64_t>> composites; // by node
        std::vector<NamedConstant> named_constants;
        std::vector<std::pair<std::uint64_t, Tensor<T>>> originals; // by ConstantUse::value
        std::vector<TensorName> named_tensors;
        std::vector<std::vector<NodeId>>
            rows; // last writer of each row of buffers written in place
        std::size_t rows_used = 0;
        std::unordered_map<NodeId, std::pair<NodeId, StridedView>> apart; // where elements are
        std::vector<unsigned char> flags; // of a backward pass, by node
        PassMemory<T> pass;
        std::size_t rules = 0;            // not yet freed
        std::vector<std::uint32_t> twins; // by scope: the one for its backward operations
        std::int64_t recorded_passes = 0; // each has a separate scope "backward"
    };

    [[noreturn]] static void refuse_concurrent(const Op& op);
    enum class Idle { idle };
    explicit Tape(Idle);
    template <class F>
    void for_monitors(const F& f) {
        for (Monitor<T>* m = monitors_; m != nullptr; m = m->next_) f(*m);
    }
    NodeId leaf(const Variable<T>& parameter);
    // Records that the elements of a node are `part` of a root other than its own.
    void store_apart(NodeId id, NodeId root, const StridedView& part);
    void note_constant(NodeId id, std::uint32_t input, const Variable<T>& x);
    void note(ConstantUse use);
    NodeId operation_of(NodeId id) const {
        while (node(id).is_view && node(id).input_count == 1 && node(id).rule == nullptr)
            id = node(id).inputs[0];
        return node(id).operation;
    }
    NodeId id_of(const Variable<T>& x); // no_node: a constant
    NodeId require(const Op& op, const Variable<T>& x) const;
    // Whether a NoRecording was created after the tape and still exists; null: the last tape.
    static bool is_paused(const TapeSlot<T>* slot);
    // Fills m_->pass.starts with the nodes of y and their seeds; constants, whose gradients are
    // zero, are left out.
    void find_starts(const Op& op, std::span<const Variable<T>> y,
                     std::span<const Variable<T>> seeds);
    Node<T>& append_node(const Op& op);
    // The same for an operation or a view, which may be a part of a Composite.
    Node<T>& append_operation(const Op& op);
    std::uint32_t scope_id(const Scope* scope);
    std::uint32_t twin(std::uint32_t scope);
    const char* copy(std::string_view text);
    const char* op_name(const char* name);
    std::string path(std::uint32_t scope, bool numbered_steps) const;
    bool row_overwritten(NodeId id, NodeId since) const;
    static std::pair<std::size_t, std::size_t> rows_of(const Node<T>& root,
                                                       const StridedView& part);
    std::uint32_t slot_for_gradient(NodeId id);
    void reset();
    void renew();

    std::unique_ptr<Memory> m_;
    Monitor<T>* monitors_ = nullptr;
    std::uint32_t recording_scope_ = no_scope; // where operations belong instead of Scope::current
    Random random_;
    bool own_random_ = false;
    bool evaluating_ = false;
    bool apart_ = false;
    bool in_pass_ = false; // a backward pass is running
};

// The generator of random operations: that of the current tape, or the thread's if there is none.
template <class T = float>
Random& current_random() {
    Tape<T>* const tape = Tape<T>::current();
    return tape != nullptr ? tape->random() : thread_random();
}

// For its scope, only tapes that are created after it record on this thread. NoRecording<> applies
// to variables of all types, NoRecording<T> to those of type T.
template <class T = void>
class NoRecording {
public:
    [[nodiscard]] NoRecording();
    ~NoRecording();
    NoRecording(const NoRecording&) = delete;
    NoRecording& operator=(const NoRecording&) = delete;

private:
    std::uint64_t number_;
};
template <>
class NoRecording<void> {
public:
    [[nodiscard]] NoRecording() = default;

private:
    NoRecording<float> float_;
    NoRecording<double> double_;
};

// Operations recorded during its lifetime appear to users as one: pictures draw one node, and
// errors and reports have its name and line. Of nested ones the outermost counts.
class Composite {
public:
    explicit Composite(const Op& op);
    ~Composite();
    Composite(const Composite&) = delete;
    Composite& operator=(const Composite&) = delete;

    // Null if there is none.
    static const Composite* outermost() { return outermost_; }
    bool is_outermost() const { return outermost_ == this; }
    const Op& op() const { return op_; }
    std::uint64_t number() const { return number_; }
    // Whether this thread created a constant, given by its number, during the lifetime.
    bool made(std::uint64_t constant) const;

private:
    static thread_local constinit const Composite* outermost_;
    Op op_;
    std::uint64_t number_;
};

// Makes a given tape the current one of this thread for its scope.
template <class T>
class Recording {
public:
    [[nodiscard]] explicit Recording(Tape<T>& tape);
    ~Recording();
    Recording(const Recording&) = delete;
    Recording& operator=(const Recording&) = delete;

private:
    TapeSlot<T>* slot_;
    std::uint64_t lifetime_;
};

// A tape that records only within a Recording.
template <class T>
std::unique_ptr<Tape<T>> idle_tape();

} // namespace unroll
