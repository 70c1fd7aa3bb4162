// A training step of a binary Tree-LSTM over 256 random trees of 20 leaves, input 300 at the leaves
// and hidden 150: forward, backward with the gradients of all weights and of the inputs, and an
// update by Adagrad. A batch is processed level by level in as many shards as there are cores;
// compared with one tree at a time, and with PyTorch level by level.

#include "torch.hpp"

#include <unroll/unroll.hpp>

namespace {

using namespace unroll;

constexpr std::size_t trees = 256, leaves = 20, input = 300, hidden = 150;

// Random adjacent subtrees are joined until one is left.
nn::Tree random_tree(Random random) {
    std::vector<std::int64_t> parents(2 * leaves - 1, -1);
    std::vector<std::size_t> open;
    for (std::size_t i = 0; i < leaves; ++i) open.push_back(i);
    for (std::size_t node = leaves; node < parents.size(); ++node) {
        const std::size_t at = random.below(open.size() - 1);
        parents[open[at]] = parents[open[at + 1]] = static_cast<std::int64_t>(node);
        open[at] = node;
        open.erase(open.begin() + static_cast<std::ptrdiff_t>(at) + 1);
    }
    return nn::Tree::from_parents(parents);
}

std::vector<nn::Tree> random_trees() {
    std::vector<nn::Tree> all;
    for (std::size_t t = 0; t < trees; ++t) all.push_back(random_tree(Random(1).split(t)));
    return all;
}

template <class Network>
class Ours {
public:
    Ours(const std::vector<nn::Tree>& all, std::size_t shards, bool one_by_one)
        : net_({.input = input, .hidden = hidden, .arity = 2, .inputs_at_leaves = true}),
          adagrad_(parameters(net_), {.learning_rate = 0.05}),
          shards_(shards, adagrad_.parameters(), Random(2)), trees_(all), one_by_one_(one_by_one) {
        x_ = Tensor<float>({trees / shards * leaves, input});
        Random(3).fill_normal(x_.data(), x_.size(), 0.0f, 1.0f);
    }

    // Includes the assignment of nodes to levels.
    void step() {
        shards_.backward([&](std::size_t shard) {
            const std::size_t n = trees / shards_.size(), begin = shard * n;
            const Variable<float> x = shards_.tape(shard).variable(x_);
            if (!one_by_one_) return loss(x, begin, begin + n);
            std::vector<Variable<float>> losses;
            for (std::size_t t = 0; t < n; ++t)
                losses.push_back(
                    loss(slice(x, 0, t * leaves, (t + 1) * leaves), begin + t, begin + t + 1));
            return sum(stack(losses));
        });
        adagrad_.step();
    }

private:
    Variable<float> loss(const Variable<float>& x, std::size_t begin, std::size_t end) const {
        return sum(net_(nn::TreeBatch(std::span(trees_).subspan(begin, end - begin)), x)[0]);
    }

    Network net_;
    optim::Adagrad<float> adagrad_;
    optim::DataParallel<float> shards_;
    const std::vector<nn::Tree>& trees_;
    Tensor<float> x_;
    bool one_by_one_;
};

} // namespace

int main() {
    const auto all = random_trees();
    const std::size_t cores = threads::count();
    Ours<nn::NaryTreeLstm<float>> nary(all, cores, false), apart(all, cores, true);
    Ours<nn::ChildSumTreeLstm<float>> child_sum(all, cores, false);
    std::vector<bench::Run> runs{bench::timed([&] { nary.step(); }),
                                 bench::timed([&] { child_sum.step(); }),
                                 bench::timed([&] { apart.step(); })};
    bench::Torch torch(TORCH_SCRIPT);
    // The same trees: one line of parents per tree.
    std::string question;
    for (const auto& tree : all) {
        std::vector<std::string> parents(tree.size(), "-1");
        for (std::size_t n = 0; n < tree.size(); ++n)
            for (const std::size_t child : tree.children(n)) parents[child] = std::to_string(n);
        for (std::size_t n = 0; n < tree.size(); ++n)
            question += (n > 0 ? "," : question.empty() ? "" : " ") + parents[n];
    }
    const bool has_torch = !torch.ask("trees " + question).empty();
    if (has_torch)
        runs.push_back([&] { return std::stod(torch.ask("step " + std::to_string(cores))); });
    else
        torch.missing("trees");
    const auto times = bench::in_turn(runs);
    std::printf("256 binary trees of 20 leaves, a training step on %zu threads: binary Tree-LSTM "
                "%.1f ms, child-sum %.1f ms, one tree at a time %.1f ms\n",
                cores, times[0] * 1e3, times[1] * 1e3, times[2] * 1e3);
    bench::figure("trees.nary", times[0] * 1e3, "ms", "<=", 60);
    bench::figure("trees.child_sum", times[1] * 1e3, "ms", "<=", 60);
    bench::figure("trees.one_at_a_time", times[2] / times[0], "ratio", ">=", 1);
    if (has_torch) bench::figure("trees.pytorch", times[3] / times[0], "ratio", ">=", 1);
}
