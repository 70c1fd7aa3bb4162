#pragma once

#include <unroll/core/autograd/adjoint.hpp>
#include <unroll/core/autograd/monitor.hpp>
#include <unroll/core/autograd/rule.hpp>
#include <unroll/core/autograd/variable.hpp>
#include <unroll/core/base/arena.hpp>
#include <unroll/core/base/error.hpp>
#include <unroll/core/base/scope.hpp>
#include <unroll/core/tensor/random.hpp>
#include <unroll/core/tensor/region.hpp>

#include <array>
#include <memory>
#include <string>
#include <vector>

namespace unroll {

// A gradient that is being added up.
template <class T>
struct Gradient {
    StorageRef storage;
    T* data = nullptr;
    Coverage covered;
};

// What a tape knows of one recorded value. Pictures and reports read it; rules never see it.
template <class T>
struct Node {
    Op op = "";
    const NodeId* inputs = nullptr; // no_node: a constant
    Rule<T>* rule = nullptr;        // none: a leaf, a view, a later output, or used up
    const Region* region = nullptr; // its place in the gradient buffer of `root`
    const Parameter<T>* parameter = nullptr;
    Gradient<T>* gradient = nullptr; // of a root, between the first share and its use
    std::uint32_t input_count = 0;
    std::uint32_t scope = 0;          // index into Tape::scopes()
    NodeId operation = no_node;       // first node of the operation; it holds the rule
    std::uint32_t outputs = 1;        // of the operation, on consecutive nodes
    NodeId root = no_node;            // owner of the gradient buffer: itself, unless a view
    std::uint32_t rows = no_node;     // index of the record of rows written in place
    std::uint32_t retained = no_node; // index of the gradient kept for the user
    bool is_view = false;             // shares the buffers of `root`
    bool is_used_up = false;
};

struct ScopeEntry {
    std::uint32_t parent;
    std::string_view name;
    std::int64_t index;

    // Time steps are scopes of that name with a number.
    bool is_step() const { return index != Scope::no_index && name == "t"; }
};

struct BackwardOptions {
    bool retain = false; // keep what the rules need, so that another backward can follow
};

struct GradientOptions {
    bool create_graph = false; // record the gradients, so that they can be differentiated; retains
    bool retain = false;
};

template <class T>
class Shares;

// Records what is computed, in the order in which it is computed, and runs it backwards. One tape
// belongs to one thread at a time; several tapes share nothing but parameters, which they read.
template <class T>
class Tape {
public:
    Tape();
    ~Tape();
    Tape(const Tape&) = delete;
    Tape& operator=(const Tape&) = delete;

    // A leaf whose gradient is wanted.
    Variable<T> variable(Tensor<T> value, const char* name = "variable");
    // A value without a gradient, for parameters to meet this tape.
    Variable<T> constant(Tensor<T> value) const { return handle(std::move(value), no_node); }
    // Parameters and plain constants as variables of this tape.
    Variable<T> attach(const Variable<T>& x);

    // Adds d y / d leaf to the gradient of every leaf: from a scalar, or from any tensor with a
    // seed of its shape. Gradients of parameters are added to Parameter::gradient, or kept apart
    // where keep_gradients_apart was asked for. Throws Error for a variable of another or a
    // cleared tape, a tape used up by an earlier backward, and a value changed since.
    void backward(const Variable<T>& y, BackwardOptions options = {});
    void backward(const Variable<T>& y, const Tensor<T>& seed, BackwardOptions options = {});

    // d (sum over i of seeds[i] . y[i]) / d x for every x of `wrt`: leaves, parameters, results of
    // operations. Adds to no gradient that the tape or a parameter holds; zeros where none arrives.
    // Throws Error as backward does, and for an x that is a view and was not retained.
    std::vector<Variable<T>> gradients(std::span<const Variable<T>> y,
                                       std::span<const Variable<T>> seeds,
                                       std::span<const Variable<T>> wrt,
                                       GradientOptions options = {});

    // Asks for the gradient of an intermediate value, before it is used.
    void retain(const Variable<T>& x);
    // The gradient that backward passes since clear() have added up: of a leaf, a parameter or a
    // retained value. Zeros where none arrived.
    Tensor<T> gradient(const Variable<T>& x) const;

    // Names a value for pictures, as the state that a loop carries. The name must outlive the tape.
    void name(const Variable<T>& x, const char* name) {
        if (recording_ && x.is_recorded()) names_.push_back({x.node(), name});
    }

    // Forgets everything; the memory is used again.
    void clear();

    // Recording can be turned off: operations then only compute.
    bool is_recording() const { return recording_; }
    void set_recording(bool on) { recording_ = on; }

    // What random operations draw from, and whether they do: dropout drops only while the tape
    // records and is not evaluating.
    Random& random() { return random_; }
    void set_random(const Random& random) { random_ = random; }
    bool is_evaluating() const { return evaluating_; }
    void set_evaluating(bool on) { evaluating_ = on; }

    // Parameters' gradients stay on this tape, in order of first use, for batch-parallel training.
    void keep_gradients_apart(bool on) { apart_ = on; }
    bool keeps_gradients_apart() const { return apart_; }
    struct ParameterGradient {
        const Parameter<T>* parameter;
        Tensor<T> gradient; // no storage: none arrived
    };
    std::vector<ParameterGradient> parameter_gradients() const;

    // The memory that rules keep for backward, each byte once and parameters left out.
    std::size_t kept_bytes() const;

    std::size_t size() const { return size_; }
    const Node<T>& node(NodeId id) const { return chunks_[id / chunk][id % chunk]; }
    const std::vector<ScopeEntry>& scopes() const { return scopes_; }
    std::string scope_path(std::uint32_t scope) const { return path(scope, true); }
    // The same for all time steps: "encoder.t".
    std::string module_path(std::uint32_t scope) const { return path(scope, false); }
    // The innermost time step that the scope lies in, or no_index; and what is around the
    // outermost.
    std::int64_t time_step(std::uint32_t scope) const;
    std::uint32_t around_steps(std::uint32_t scope) const;
    const std::vector<std::pair<NodeId, const char*>>& names() const { return names_; }
    std::uint64_t generation() const { return slot_->generation; }

    // ---- for record() and Adjoint ----

    // The tape of the inputs, if any, and whether an operation on them is to be recorded. Throws
    // Error for inputs of two tapes, of a cleared one, or, where they are read, overwritten in
    // place.
    struct Context {
        Tape* tape = nullptr;
        bool record = false;
        bool untracked = false;

        // A result that is not recorded.
        Variable<T> plain(Tensor<T> value) const {
            if (tape != nullptr) return tape->constant(std::move(value));
            return Variable<T>(std::move(value), untracked);
        }
    };
    static Context of(const Op& op, std::span<const Variable<T>* const> inputs, bool read = true);
    // Appends a value and its inputs; `count` outputs are appended by as many calls.
    NodeId append(const Op& op, std::span<const Variable<T>* const> inputs, const Shape& shape);
    // Appends a value that lies in the buffers of `base`.
    NodeId append_view(const Op& op, const Variable<T>& base, const Tensor<T>& view);
    void place(NodeId id, NodeId root, const Region& region);
    Variable<T> handle(Tensor<T> value, NodeId id) const {
        return Variable<T>(std::move(value), slot_, slot_->generation, id);
    }
    Node<T>& node(NodeId id) { return chunks_[id / chunk][id % chunk]; }
    Arena& arena() { return arena_; }
    // Those that are told what this tape does; null: none.
    Monitor<T>* monitors() const { return monitors_; }
    // A value for a rule to keep until the tape is cleared.
    Saved<T> save(const Variable<T>& x);
    // A root without a value yet, whose rows other nodes will be placed in.
    NodeId append_buffer(const Shape& shape);
    NodeId append_rows(const Variable<T>& buffer, const Tensor<T>& view);
    bool any_row_written(NodeId buffer, std::size_t begin, std::size_t end) const;
    // Whether a part of the node's value was overwritten in place after `since`.
    bool overwritten(NodeId id, NodeId since) const {
        const NodeId root = node(id).root;
        return node(root).rows != no_node && row_overwritten(id, since);
    }

    // Where the verbs of a pass that is computed with variables leave their shares; null: in place.
    Shares<T>* shares() const { return shares_; }
    // For the operations of such a pass: that of the rule that is running, "∂tanh".
    const char* derivative_name() const { return derivative_name_; }
    // Makes sure that the buffer of a root is there, and that no product put off still reads the
    // part that is about to change. True: add to what the part holds; false: overwrite it.
    bool open_part(NodeId root, const Region& part);
    // target += a b, put off while later products may continue this one along their inner axis.
    void defer_product(NodeId target, const Tensor<T>& a, const Tensor<T>& b);

    // Tells every monitor.
    void report(NodeId first, std::span<const Variable<T>* const> inputs,
                std::span<const Variable<T>> results) {
        if (monitors_ != nullptr) [[unlikely]]
            tell([&](Monitor<T>& m) { m.recorded(first, inputs, results); });
    }

private:
    friend class Monitor<T>;
    static constexpr std::size_t chunk = 1024;
    static constexpr std::uint32_t no_scope_ = ~std::uint32_t{0};

    struct Product {
        NodeId target;
        Tensor<T> a, b;
    };

    template <class F>
    void tell(const F& f) {
        for (Monitor<T>* m = monitors_; m != nullptr; m = m->next_) f(*m);
    }
    NodeId leaf(const Parameter<T>& parameter);
    NodeId id_of(const Variable<T>& x); // no_node: a constant
    NodeId require(const Op& op, const Variable<T>& x) const;
    Node<T>& append_node(const Op& op);
    std::uint32_t scope_id(Scope* scope);
    std::string path(std::uint32_t scope, bool numbered_steps) const;
    const Region* whole(const Shape& shape);
    bool row_overwritten(NodeId id, NodeId since) const;
    std::pair<std::size_t, std::size_t> rows_of(const Node<T>& root, const Region& part) const;
    NodeId find_path(std::span<const NodeId> from);
    void find_needed(std::span<const NodeId> wrt, std::vector<unsigned char>& needed) const;
    std::uint32_t twin(std::uint32_t scope);
    const char* derivative_name_of(const char* name);
    void sweep(NodeId from, bool retain);
    void run_rule(NodeId id, bool retain);
    void run_with_variables(NodeId id, bool retain);
    void use_up(Node<T>& node);
    void finish_leaf(NodeId id);
    Variable<T> incoming(NodeId id);
    void keep_for_user(NodeId id);
    void release_gradient(Node<T>& node);
    void flush(std::size_t product);
    void flush_target(NodeId target);

    TapeSlot<T>* slot_;
    std::vector<std::unique_ptr<Node<T>[]>> chunks_;
    std::size_t size_ = 0;
    Arena arena_;
    std::array<const Region*, 16> recent_{}; // regions of whole tensors that many nodes share
    std::vector<std::unique_ptr<Gradient<T>>> spare_;
    std::vector<ScopeEntry> scopes_;
    std::vector<std::pair<const Parameter<T>*, NodeId>> leaves_; // open addressing
    std::vector<NodeId> leaf_order_;
    std::vector<Tensor<T>> retained_;
    std::vector<std::pair<NodeId, const char*>> names_;
    std::vector<std::vector<NodeId>> rows_; // last writer of each row, for buffers written in place
    std::size_t rows_used_ = 0;
    std::vector<Product> deferred_;
    std::vector<Variable<T>> incoming_;
    std::vector<unsigned char> on_path_;
    Monitor<T>* monitors_ = nullptr;
    bool whole_gradients_ = false;
    Shares<T>* shares_ = nullptr;
    const char* derivative_name_ = "";
    std::vector<std::pair<const char*, const char*>> derivative_names_; // of this pass
    std::vector<std::uint32_t> twins_;          // by scope: the one for its backward operations
    std::uint32_t recording_scope_ = no_scope_; // where operations belong instead of Scope::current
    Random random_;
    bool recording_ = true;
    bool evaluating_ = false;
    bool apart_ = false;
};

// A parameter or constant on the tape of `like`, if that has one: for what is computed from
// parameters alone.
template <class T>
Variable<T> with_tape_of(const Variable<T>& like, const std::type_identity_t<Variable<T>>& x) {
    Tape<T>* tape = like.tape();
    return tape ? tape->attach(x) : x;
}

// Nothing is recorded on the tape while it lives.
template <class T>
class NoRecording {
public:
    explicit NoRecording(Tape<T>& tape) : tape_(tape), before_(tape.is_recording()) {
        tape.set_recording(false);
    }
    ~NoRecording() { tape_.set_recording(before_); }
    NoRecording(const NoRecording&) = delete;
    NoRecording& operator=(const NoRecording&) = delete;

private:
    Tape<T>& tape_;
    bool before_;
};

} // namespace unroll
