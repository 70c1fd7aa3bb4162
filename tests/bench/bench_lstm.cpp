// One LSTM training step with the gradient of its input, beside oneDNN's hand-fused primitive.

#include "measure.hpp"

#include <unroll/unroll.hpp>

#include <cstring>
#include <unordered_map>

#if __has_include(<dnnl.hpp>)
#include <dnnl.hpp>
#include <omp.h>
#define HAS_OPPONENT 1
#endif

using namespace unroll;

namespace {

struct Sizes {
    std::size_t input, hidden, steps, batch;
    std::string name() const {
        return std::to_string(input) + "x" + std::to_string(hidden) + "x" + std::to_string(steps) +
               "x" + std::to_string(batch);
    }
};

// unroll's step: the batch in two shards where the layer is small, pieces of each operation where
// it is large.
class Ours {
public:
    explicit Ours(const Sizes& s)
        : sizes_(s), shards_(s.hidden <= 128 ? std::min<std::size_t>(s.batch, 2) : 1),
          lstm_({.input = s.input, .hidden = s.hidden}), tapes_(shards_),
          x_({s.steps, s.batch, s.input}) {
        Random(1).fill_normal(x_.data(), x_.size(), 0.f, 1.f);
        for (auto& tape : tapes_) tape.keep_gradients_apart(true);
    }

    void step() {
        const std::size_t width = sizes_.batch / shards_;
        const auto one = [&](std::size_t i) {
            Tape<float>& tape = tapes_[i];
            tape.clear();
            const auto x = tape.variable(x_.slice(1, i * width, (i + 1) * width));
            const auto out = lstm_(x).output;
            tape.backward(out, Tensor<float>::ones(out.shape()));
        };
        if (shards_ > 1) {
            threads::for_shards(shards_, one);
        } else {
            const threads::Team team;
            one(0);
        }
    }

private:
    Sizes sizes_;
    std::size_t shards_;
    nn::Lstm<float> lstm_;
    std::vector<Tape<float>> tapes_;
    Tensor<float> x_;
};

#if HAS_OPPONENT
class Theirs {
public:
    explicit Theirs(const Sizes& s) : engine_(dnnl::engine::kind::cpu, 0), stream_(engine_) {
        using dnnl::memory;
        using tag = memory::format_tag;
        const auto T = static_cast<long>(s.steps), B = static_cast<long>(s.batch);
        const auto I = static_cast<long>(s.input), H = static_cast<long>(s.hidden);
        const auto shaped = [](memory::dims d, tag t) {
            return memory::desc(d, memory::data_type::f32, t);
        };
        const auto x = shaped({T, B, I}, tag::tnc), y = shaped({T, B, H}, tag::tnc);
        const auto state = shaped({1, 1, B, H}, tag::ldnc), bias = shaped({1, 1, 4, H}, tag::ldgo);
        const auto wx = shaped({1, 1, I, 4, H}, tag::any), wh = shaped({1, 1, H, 4, H}, tag::any);
        const auto way = dnnl::rnn_direction::unidirectional_left2right;
        const dnnl::lstm_forward::primitive_desc forward(
            {dnnl::prop_kind::forward_training, way, x, state, state, wx, wh, bias, y, state, state},
            engine_);
        const dnnl::lstm_backward::primitive_desc backward(
            {dnnl::prop_kind::backward, way, x, state, state, wx, wh, bias, y, state, state, x,
             state, state, wx, wh, bias, y, state, state},
            engine_, forward);
        const auto plain_x = shaped({1, 1, I, 4, H}, tag::ldigo), plain_h = shaped({1, 1, H, 4, H}, tag::ldigo);
        weights_[0] = fresh(plain_x), weights_[1] = fresh(plain_h);
        const std::pair<int, memory::desc> given[] = {
            {DNNL_ARG_SRC_LAYER, x}, {DNNL_ARG_SRC_ITER, state}, {DNNL_ARG_SRC_ITER_C, state},
            {DNNL_ARG_WEIGHTS_LAYER, forward.weights_layer_desc()},
            {DNNL_ARG_WEIGHTS_ITER, forward.weights_iter_desc()}, {DNNL_ARG_BIAS, bias},
            {DNNL_ARG_DST_LAYER, y}, {DNNL_ARG_DST_ITER, state}, {DNNL_ARG_DST_ITER_C, state},
            {DNNL_ARG_WORKSPACE, forward.workspace_desc()}};
        for (const auto& [arg, desc] : given) forward_[arg] = fresh(desc);
        backward_ = forward_;
        backward_[DNNL_ARG_WEIGHTS_LAYER] = fresh(backward.weights_layer_desc());
        backward_[DNNL_ARG_WEIGHTS_ITER] = fresh(backward.weights_iter_desc());
        const std::pair<int, memory::desc> gradients[] = {
            {DNNL_ARG_DIFF_SRC_LAYER, x}, {DNNL_ARG_DIFF_SRC_ITER, state},
            {DNNL_ARG_DIFF_SRC_ITER_C, state},
            {DNNL_ARG_DIFF_WEIGHTS_LAYER, backward.diff_weights_layer_desc()},
            {DNNL_ARG_DIFF_WEIGHTS_ITER, backward.diff_weights_iter_desc()},
            {DNNL_ARG_DIFF_BIAS, bias}, {DNNL_ARG_DIFF_DST_LAYER, y},
            {DNNL_ARG_DIFF_DST_ITER, state}, {DNNL_ARG_DIFF_DST_ITER_C, state}};
        for (const auto& [arg, desc] : gradients) backward_[arg] = fresh(desc);
        run_forward_ = dnnl::lstm_forward(forward);
        run_backward_ = dnnl::lstm_backward(backward);
    }

    // Weights laid out anew, forward, backward with zeroed weight gradients; no update.
    void step() {
        omp_set_num_threads(2);
        for (const int i : {0, 1}) {
            const int arg = i == 0 ? DNNL_ARG_WEIGHTS_LAYER : DNNL_ARG_WEIGHTS_ITER;
            for (auto* to : {&forward_, &backward_})
                dnnl::reorder(weights_[i], to->at(arg)).execute(stream_, weights_[i], to->at(arg));
        }
        run_forward_.execute(stream_, forward_);
        for (const int arg : {DNNL_ARG_DIFF_WEIGHTS_LAYER, DNNL_ARG_DIFF_WEIGHTS_ITER, DNNL_ARG_DIFF_BIAS}) {
            auto& memory = backward_.at(arg);
            std::memset(memory.get_data_handle(), 0, memory.get_desc().get_size());
        }
        run_backward_.execute(stream_, backward_);
        stream_.wait();
        omp_set_num_threads(1);
    }

private:
    dnnl::memory fresh(const dnnl::memory::desc& desc) {
        dnnl::memory memory(desc, engine_);
        Random(2).fill_uniform(static_cast<float*>(memory.get_data_handle()),
                               desc.get_size() / sizeof(float), -0.05f, 0.05f);
        return memory;
    }

    dnnl::engine engine_;
    dnnl::stream stream_;
    std::array<dnnl::memory, 2> weights_;
    std::unordered_map<int, dnnl::memory> forward_, backward_;
    dnnl::lstm_forward run_forward_;
    dnnl::lstm_backward run_backward_;
};
#endif

} // namespace

int main() {
    for (const Sizes& s : {Sizes{32, 64, 50, 1}, {64, 128, 64, 16}, {128, 256, 64, 32},
                           {256, 256, 100, 64}, {512, 512, 50, 64}}) {
        Ours ours(s);
#if HAS_OPPONENT
        Theirs theirs(s);
        const auto [a, b] = bench::in_turn([&] { ours.step(); }, [&] { theirs.step(); });
        std::printf("%-18s unroll %8.3f ms   oneDNN %8.3f ms\n", s.name().c_str(), a * 1e3, b * 1e3);
        bench::figure("lstm." + s.name() + ".onednn", b / a, "ratio", ">=", 1.0);
#else
        std::printf("%s: oneDNN is not installed, so there is no opponent\n", s.name().c_str());
        const auto [a, b] = bench::in_turn([&] { ours.step(); }, [] {});
        std::printf("%-18s unroll %8.3f ms\n", s.name().c_str(), a * 1e3);
#endif
    }
}
