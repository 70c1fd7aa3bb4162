#include "nn/trees/trees.hpp"

#include <unroll/core/autograd/backward/gradients.hpp>
#include <unroll/nn/initialize.hpp>
#include <unroll/nn/trees/recursive.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/reduce.hpp>

#include <functional>

using namespace test;

namespace {

using Vector = std::vector<double>;

double logistic(double x) { return 1 / (1 + std::exp(-x)); }

// W x
Vector times(const Tensor<double>& w, const Vector& x) {
    REQUIRE(w.shape(1) == x.size());
    Vector y(w.shape(0));
    for (std::size_t i = 0; i < y.size(); ++i)
        for (std::size_t j = 0; j < x.size(); ++j) y[i] += w(i, j) * x[j];
    return y;
}

Vector operator+(Vector a, const Vector& b) {
    REQUIRE(a.size() == b.size());
    for (std::size_t i = 0; i < a.size(); ++i) a[i] += b[i];
    return a;
}

Vector part(const Vector& x, std::size_t i, std::size_t width) {
    const auto begin = x.begin() + static_cast<std::ptrdiff_t>(i * width);
    return {begin, begin + static_cast<std::ptrdiff_t>(width)};
}

// h and c of one node.
struct Pair {
    Vector h, c;
};
template <class Cell>
using Reference = Pair (*)(const Cell& cell, const Vector* x, const std::vector<Pair>& children);

// W x, or zeros without an x.
Vector of_input(const Tensor<double>& w, const Vector* x, std::size_t rows) {
    Vector y = x ? times(w, *x) : Vector(rows);
    y.resize(rows);
    return y;
}

Pair recursive(const nn::RecursiveCell<double>& cell, const Vector* x,
               const std::vector<Pair>& children) {
    const std::size_t H = cell.options.hidden;
    Vector sum = of_input(cell.weight_ih.value(), x, H) + cell.bias.value().to_vector(), p;
    for (const Pair& child : children) p.insert(p.end(), child.h.begin(), child.h.end());
    if (!children.empty()) sum = sum + times(cell.weight_hh.value(), p);
    if (cell.weight_tensor && !children.empty())
        for (std::size_t i = 0; i < H; ++i) {
            const Vector vp = times(cell.weight_tensor->value().select(0, i), p);
            for (std::size_t j = 0; j < p.size(); ++j) sum[i] += p[j] * vp[j];
        }
    for (double& s : sum) s = std::tanh(s);
    return {sum, {}};
}

Pair rntn(const nn::TensorCell<double>& cell, const Vector* x, const std::vector<Pair>& children) {
    return recursive(cell, x, children);
}

Pair tree_lstm(const Vector& i, const Vector& o, const Vector& u, const Vector& kept) {
    Pair out{Vector(i.size()), Vector(i.size())};
    for (std::size_t j = 0; j < i.size(); ++j) {
        out.c[j] = logistic(i[j]) * std::tanh(u[j]) + kept[j];
        out.h[j] = logistic(o[j]) * std::tanh(out.c[j]);
    }
    return out;
}

void keep(Vector& kept, const Vector& f, const Vector& c) {
    for (std::size_t j = 0; j < c.size(); ++j) kept[j] += logistic(f[j]) * c[j];
}

Pair child_sum(const nn::ChildSumCell<double>& cell, const Vector* x,
               const std::vector<Pair>& children) {
    const std::size_t H = cell.options.hidden;
    const Vector in = of_input(cell.weight_ih.value(), x, 4 * H) + cell.bias.value().to_vector();
    Vector sum(H), kept(H);
    for (const Pair& child : children) {
        sum = sum + child.h;
        keep(kept, part(in, 3, H) + times(cell.weight_hf.value(), child.h), child.c);
    }
    const Vector all = part(in, 0, 3 * H) + times(cell.weight_hh.value(), sum);
    return tree_lstm(part(all, 0, H), part(all, 1, H), part(all, 2, H), kept);
}

Pair nary(const nn::NaryCell<double>& cell, const Vector* x, const std::vector<Pair>& children) {
    const std::size_t H = cell.options.hidden;
    const Vector in = of_input(cell.weight_ih.value(), x, 4 * H) + cell.bias.value().to_vector();
    Vector p, kept(H);
    for (const Pair& child : children) p.insert(p.end(), child.h.begin(), child.h.end());
    p.resize(cell.options.arity * H);
    const Vector of_children = times(cell.weight_hh.value(), p);
    for (std::size_t k = 0; k < children.size(); ++k)
        keep(kept, part(in, 3, H) + part(of_children, 3 + k, H), children[k].c);
    const Vector all = part(in, 0, 3 * H) + part(of_children, 0, 3 * H);
    return tree_lstm(part(all, 0, H), part(all, 1, H), part(all, 2, H), kept);
}

// Inputs by tree and node, of one width.
using Inputs = std::vector<std::vector<Vector>>;
Inputs random_inputs(const std::vector<nn::Tree>& trees, std::size_t width) {
    Inputs inputs;
    for (std::size_t t = 0; t < trees.size(); ++t) {
        const auto x = random_tensor({trees[t].size(), width}, 50 + t);
        std::vector<Vector> all;
        for (std::size_t n = 0; n < trees[t].size(); ++n) all.push_back(x.select(0, n).to_vector());
        inputs.push_back(std::move(all));
    }
    return inputs;
}

// The inputs of the given nodes, in their order.
Tensor<double> rows(const Inputs& inputs, std::span<const nn::TreeBatch::Node> nodes,
                    std::size_t width) {
    Tensor<double> x({nodes.size(), width});
    for (std::size_t i = 0; i < nodes.size(); ++i)
        for (std::size_t j = 0; j < width; ++j) x(i, j) = inputs[nodes[i].tree][nodes[i].node][j];
    return x;
}

template <class Net, class Cell>
void agrees_with_loops(Reference<Cell> reference, std::size_t least, std::size_t most) {
    const auto trees = random_trees(least, most);
    const nn::TreeBatch batch(trees);
    const Inputs inputs = random_inputs(trees, 3);
    for (const bool at_leaves : {false, true}) {
        CAPTURE(at_leaves);
        nn::seed(3);
        Net net({.input = 3, .hidden = 4, .arity = most, .inputs_at_leaves = at_leaves});
        const auto with_input = at_leaves ? batch.leaves() : batch.nodes();
        Tape<double> tape;
        const auto states = net(batch, Variable(rows(inputs, with_input, 3)));
        for (std::size_t t = 0; t < trees.size(); ++t) {
            const std::function<Pair(std::size_t)> expected = [&](std::size_t node) {
                std::vector<Pair> children;
                for (const std::size_t child : trees[t].children(node))
                    children.push_back(expected(child));
                const bool has_input = !at_leaves || trees[t].is_leaf(node);
                const Pair out =
                    reference(net.cell(), has_input ? &inputs[t][node] : nullptr, children);
                const std::size_t row = batch.row(t, node);
                for (std::size_t j = 0; j < out.h.size(); ++j)
                    CHECK(states[0].value()(row, j) == doctest::Approx(out.h[j]).epsilon(1e-12));
                if constexpr (Cell::states == 2)
                    for (std::size_t j = 0; j < out.c.size(); ++j)
                        CHECK(states[1].value()(row, j) ==
                              doctest::Approx(out.c[j]).epsilon(1e-12));
                return out;
            };
            expected(trees[t].root());
        }
    }
}

template <class Net>
void one_at_a_time(std::size_t least, std::size_t most) {
    const auto trees = random_trees(least, most);
    const Inputs inputs = random_inputs(trees, 3);
    nn::seed(4);
    Net net({.input = 3, .hidden = 4, .arity = most});
    const auto loss = [&](const nn::TreeBatch& batch, std::span<const std::size_t> which) {
        Tape<double> tape;
        Tensor<double> x({batch.size(), 3});
        for (std::size_t i = 0; i < batch.size(); ++i)
            for (std::size_t j = 0; j < 3; ++j)
                x(i, j) = inputs[which[batch.nodes()[i].tree]][batch.nodes()[i].node][j];
        const auto y = sum(square(net(batch, Variable(x))[0]));
        tape.backward(y);
        return y.item();
    };
    std::vector<std::size_t> all(trees.size());
    for (std::size_t t = 0; t < all.size(); ++t) all[t] = t;
    const double together = loss(nn::TreeBatch(trees), all);
    std::vector<Tensor<double>> gradients;
    for (auto& entry : parameters(net)) {
        gradients.push_back(entry.gradient().copy());
        entry.clear_gradient();
    }
    double apart = 0;
    for (const std::size_t t : all) {
        const std::vector<std::size_t> one{t};
        apart += loss(nn::TreeBatch(trees, one), one);
    }
    CHECK(together == doctest::Approx(apart).epsilon(1e-13));
    std::size_t i = 0;
    for (auto& entry : parameters(net)) CHECK(distance(entry.gradient(), gradients[i++]) < 1e-12);
}

template <class Net>
void checks_gradients(std::size_t least, std::size_t most) {
    const std::vector<nn::Tree> trees{random_tree(3, least, most, Random(1)),
                                      random_tree(0, least, most, Random(2)),
                                      random_tree(2, least, most, Random(3))};
    const nn::TreeBatch batch(trees);
    for (const bool at_leaves : {false, true}) {
        nn::seed(5);
        Net net({.input = 2, .hidden = 3, .arity = most, .inputs_at_leaves = at_leaves});
        const std::size_t n = at_leaves ? batch.leaves().size() : batch.size();
        for (const int order : {1, 2}) {
            const auto report = gradcheck(
                [&](const std::vector<Variable<double>>& x) {
                    const auto states = net(batch, x[0]);
                    return states.back() * states.front();
                },
                {random_tensor({n, 2})}, parameters(net), {.order = order});
            CHECK_MESSAGE(report, report.text());
        }
    }
}

} // namespace

TEST_CASE("recursive networks equal plain recursion") {
    SUBCASE("plain") { agrees_with_loops<nn::Recursive<double>>(&recursive, 2, 2); }
    SUBCASE("of three") { agrees_with_loops<nn::Recursive<double>>(&recursive, 3, 3); }
    SUBCASE("tensor") { agrees_with_loops<nn::Rntn<double>>(&rntn, 2, 2); }
    SUBCASE("child-sum") { agrees_with_loops<nn::ChildSumTreeLstm<double>>(&child_sum, 1, 4); }
    SUBCASE("binary") { agrees_with_loops<nn::NaryTreeLstm<double>>(&nary, 2, 2); }
    SUBCASE("N-ary") { agrees_with_loops<nn::NaryTreeLstm<double>>(&nary, 1, 3); }
}

TEST_CASE("one tree at a time equals a batch") {
    SUBCASE("plain") { one_at_a_time<nn::Recursive<double>>(2, 2); }
    SUBCASE("tensor") { one_at_a_time<nn::Rntn<double>>(2, 2); }
    SUBCASE("child-sum") { one_at_a_time<nn::ChildSumTreeLstm<double>>(1, 4); }
    SUBCASE("N-ary") { one_at_a_time<nn::NaryTreeLstm<double>>(1, 3); }
}

TEST_CASE("gradients of recursive networks, first and second order") {
    SUBCASE("plain") { checks_gradients<nn::Recursive<double>>(2, 2); }
    SUBCASE("tensor") { checks_gradients<nn::Rntn<double>>(2, 2); }
    SUBCASE("child-sum") { checks_gradients<nn::ChildSumTreeLstm<double>>(1, 3); }
    SUBCASE("N-ary") { checks_gradients<nn::NaryTreeLstm<double>>(1, 3); }
}

TEST_CASE("a child-sum Tree-LSTM equals an N-ary one with tied weights, in any order of children") {
    const std::size_t I = 3, H = 4, N = 3;
    const auto trees = random_trees(1, N);
    const nn::TreeBatch batch(trees);
    nn::ChildSumTreeLstm<double> sum({.input = I, .hidden = H});
    nn::NaryTreeLstm<double> nary({.input = I, .hidden = H, .arity = N});
    nary.cell().weight_ih.change().assign(sum.cell().weight_ih.value());
    nary.cell().bias.change().assign(sum.cell().bias.value());
    Tensor<double> w = Tensor<double>::zeros({(3 + N) * H, N * H});
    for (std::size_t k = 0; k < N; ++k) {
        w.slice(0, 0, 3 * H).slice(1, k * H, (k + 1) * H).assign(sum.cell().weight_hh.value());
        w.slice(0, (3 + k) * H, (4 + k) * H)
            .slice(1, k * H, (k + 1) * H)
            .assign(sum.cell().weight_hf.value());
    }
    nary.cell().weight_hh.change().assign(w);
    const Inputs inputs = random_inputs(trees, I);
    Tape<double> tape;
    const auto x = Variable(rows(inputs, batch.nodes(), I));
    const auto a = sum(batch, x), b = nary(batch, x);
    CHECK(distance(a[0].value(), b[0].value()) < 1e-14);
    CHECK(distance(a[1].value(), b[1].value()) < 1e-14);

    std::vector<nn::Tree> turned;
    for (const auto& tree : trees) {
        Children children(tree.size());
        for (std::size_t n = 0; n < tree.size(); ++n)
            for (const std::size_t child : tree.children(n))
                children[n].insert(children[n].begin(), static_cast<std::int64_t>(child));
        turned.push_back(nn::Tree::from_children(children));
    }
    const nn::TreeBatch other(turned);
    const auto c = sum(other, Variable(rows(inputs, other.nodes(), I)));
    for (std::size_t r = 0; r < batch.size(); ++r) {
        const auto [tree, node] = batch.nodes()[r];
        CHECK(distance(a[0].value().select(0, r), c[0].value().select(0, other.row(tree, node))) <
              1e-14);
    }
}

TEST_CASE("top-down, the previous state of a node is that of its parent") {
    const auto trees = random_trees(1, 3);
    const nn::TreeBatch batch(trees);
    const Inputs inputs = random_inputs(trees, 3);
    const auto agrees = [&]<class Cell>(nn::Downward<Cell> net) {
        Tape<double> tape;
        const auto h = net(batch, Variable(rows(inputs, batch.nodes(), 3)));
        for (std::size_t t = 0; t < trees.size(); ++t) {
            const std::function<void(std::size_t, nn::State<double, Cell::states>)> down =
                [&](std::size_t node, const nn::State<double, Cell::states>& above) {
                    const Tensor<double> x({1, 3}, inputs[t][node]);
                    const auto state = net.cell().step(net.cell().project(Variable(x)), above, {});
                    CHECK(distance(h.value().slice(0, batch.row(t, node), batch.row(t, node) + 1),
                                   state[0].value()) < 1e-13);
                    for (const std::size_t child : trees[t].children(node)) down(child, state);
                };
            nn::State<double, Cell::states> zeros;
            for (auto& s : zeros) s = Variable(Tensor<double>::zeros({1, 4}));
            down(trees[t].root(), zeros);
        }
    };
    agrees(nn::Downward<nn::RnnCell<double>>(3, 4));
    agrees(nn::Downward<nn::LstmCell<double>>(3, 4));
    agrees(nn::Downward<nn::GruCell<double>>(3, 4));
}

TEST_CASE("a top-down LSTM over a chain equals one over a sequence") {
    const std::vector<nn::Tree> trees{chain(6)};
    nn::Downward<nn::LstmCell<double>> down(3, 4);
    nn::Lstm<double> lstm({.input = 3, .hidden = 4});
    lstm.cells()[0] = down.cell();
    const auto x = random_tensor({6, 3});
    Tape<double> tape;
    CHECK(distance(down(nn::TreeBatch(trees), Variable(x)).value(),
                   lstm(Variable(x.reshape({6, 1, 3}))).output.value().reshape({6, 4})) < 1e-14);
}

TEST_CASE("gradients bottom-up and top-down, first and second order") {
    const auto trees = random_trees(1, 2);
    const nn::TreeBatch batch(trees);
    nn::seed(6);
    nn::NaryTreeLstm<double> up({.input = 2, .hidden = 3});
    nn::Downward<nn::LstmCell<double>> lstm(3, 2);
    nn::Downward<nn::GruCell<double>> gru(3, 2);
    nn::Members<double> members;
    members("up", up)("lstm", lstm)("gru", gru);
    for (const int order : {1, 2}) {
        const auto report = gradcheck(
            [&](const std::vector<Variable<double>>& x) {
                const auto h = up(batch, x[0])[0];
                return lstm(batch, h) * gru(batch, h);
            },
            {random_tensor({batch.size(), 2})}, members.all(), {.order = order});
        CHECK_MESSAGE(report, report.text());
    }
}

TEST_CASE("a chain of 10,000 nodes takes linear time bottom-up, top-down and backward") {
    const auto recorded = [](std::size_t n, bool second) {
        const std::vector<nn::Tree> trees{chain(n)};
        const nn::TreeBatch batch(trees);
        CHECK(batch.levels().size() == n);
        nn::seed(8);
        nn::ChildSumTreeLstm<double> sum_of({.input = 2, .hidden = 2});
        nn::NaryTreeLstm<double> nary({.input = 2, .hidden = 2, .arity = 1});
        nn::Downward<nn::GruCell<double>> down(2, 2);
        Tape<double> tape;
        const auto x = tape.variable(random_tensor({n, 2}));
        const auto y = sum(down(batch, nary(batch, sum_of(batch, x)[0])[0]));
        if (!second) {
            tape.backward(y);
            CHECK(std::isfinite(tape.gradient(x)(n - 1, 0)));
            CHECK(tape.gradient(x)(n - 1, 0) != 0);
            return tape.kept_bytes() + tape.size();
        }
        const auto g = gradients(y, {x}, {.create_graph = true});
        std::size_t elements = 0;
        for (NodeId id = 0; id < tape.size(); ++id)
            if (!tape.node(id).is_view) elements += tape.node(id).view.size();
        return elements;
    };
    CHECK(recorded(10000, false) > 0);
    // The size of a recorded pass is linear in the number of nodes, not in nodes times levels.
    CHECK(recorded(400, true) < 2.2 * static_cast<double>(recorded(200, true)));
}

TEST_CASE("an empty batch of trees, and trees of one node") {
    const std::vector<nn::Tree> none, single{chain(1), chain(1)};
    nn::ChildSumTreeLstm<double> sum_of({.input = 2, .hidden = 3});
    nn::NaryTreeLstm<double> at_leaves({.input = 2, .hidden = 3, .inputs_at_leaves = true});
    nn::Rntn<double> tensor({.input = 2, .hidden = 3});
    nn::Downward<nn::LstmCell<double>> down(3, 4);
    for (const auto& trees : {none, single}) {
        const nn::TreeBatch batch(trees);
        const std::size_t n = trees.size();
        Tape<double> tape;
        const auto x = tape.variable(random_tensor({n, 2}));
        for (const auto& h : {sum_of(batch, x)[0], at_leaves(batch, x)[0], tensor(batch, x)[0]}) {
            CHECK(h.shape() == Shape{n, 3});
            const auto y = down(batch, h);
            CHECK(y.shape() == Shape{n, 4});
            tape.backward(sum(y), {.retain = true});
        }
        CHECK(tape.gradient(x).shape() == Shape{n, 2});
    }
}

TEST_CASE("trees and inputs that a cell does not support are rejected") {
    const std::vector<nn::Tree> trees{
        chain(1), nn::Tree::from_children(Children{{1, 2, 3}, {}, {}, {4}, {}})};
    const nn::TreeBatch batch(trees);
    Tape<double> tape;
    const auto x = Variable(random_tensor({6, 2}));
    const auto refused = [&](auto&& net, const Variable<double>& x) {
        return error_of([&] { net(batch, x); });
    };
    const nn::RecursiveOptions o{.input = 2, .hidden = 3};
    CHECK(contains(refused(nn::NaryTreeLstm<double>(o), x),
                   "node 0 of tree 1 has 3 children, expected at most 2"));
    nn::RecursiveOptions of_three = o;
    of_three.arity = 3;
    CHECK(contains(refused(nn::Rntn<double>(of_three), x),
                   "node 3 of tree 1 has 1 children, expected 3"));
    CHECK(contains(refused(nn::Recursive<double>(o), x), "node 0 of tree 1"));
    CHECK(contains(refused(nn::ChildSumTreeLstm<double>(o), Variable(random_tensor({6, 3}))),
                   "x has shape [6, 3], expected [6, 2] for the nodes"));
    nn::RecursiveOptions at_leaves = o;
    at_leaves.inputs_at_leaves = true;
    CHECK(contains(refused(nn::ChildSumTreeLstm<double>(at_leaves), x),
                   "x has shape [6, 2], expected [4, 2] for the leaves"));
    CHECK(contains(refused(nn::Downward<nn::RnnCell<double>>(3, 2), x), "expected [6, 3]"));
    CHECK(contains(error_of([] { nn::Recursive<double>({.input = 2}); }), "at least 1"));
    CHECK(contains(error_of([&] { nn::TreeBatch(trees, std::vector<std::size_t>{2}); }),
                   "tree 2 of 2"));
}

TEST_CASE("recursive networks with frozen or without input weights") {
    const auto trees = random_trees(2, 2);
    const nn::TreeBatch batch(trees);
    nn::NaryTreeLstm<double> net({.input = 2, .hidden = 3});
    const auto x = random_tensor({batch.size(), 2});
    Tape<double> tape;
    const auto expected = net(batch, Variable(x))[0];
    for (auto& entry : parameters(net))
        if (entry.path != "weight_hh") entry.set_trainable(false);
    Tape<double> other;
    const auto h = net(batch, Variable(x))[0];
    CHECK(distance(h.value(), expected.value()) < 1e-15);
    tape.backward(sum(expected));
    const auto gradient = net.cell().weight_hh.gradient().copy();
    net.cell().weight_hh.clear_gradient();
    other.backward(sum(h));
    CHECK(distance(net.cell().weight_hh.gradient(), gradient) < 1e-13);
    const NoRecording<double> paused;
    CHECK(distance(net(batch, Variable(x))[0].value(), expected.value()) < 1e-15);
}
