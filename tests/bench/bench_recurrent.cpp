// One training step of a recurrent layer with the gradient of its input, compared with oneDNN's
// fused primitive and PyTorch's layer. CELL, set by the build: lstm, rnn or gru.

#include "torch.hpp"

#include <unroll/unroll.hpp>

#include <cstring>
#include <unordered_map>

#if HAS_ONEDNN
#include <dnnl.hpp>
#include <omp.h>
#endif

using namespace unroll;

namespace {

struct Sizes {
    std::size_t input, hidden, steps, batch;
    std::string text(const char* between) const {
        return bench::joined({input, hidden, steps, batch}, between);
    }
};

// unroll's step: the batch in two shards if the layer is small, otherwise each operation is split.
template <class Layer>
class Ours {
public:
    explicit Ours(const Sizes& s)
        : sizes_(s), shards_(s.hidden <= 128 ? std::min<std::size_t>(s.batch, 2) : 1),
          layer_({.input = s.input, .hidden = s.hidden}), tapes_(shards_),
          x_({s.steps, s.batch, s.input}) {
        Random(1).fill_normal(x_.data(), x_.size(), 0.f, 1.f);
        for (auto& tape : tapes_) tape.keep_gradients_apart(true);
    }

    void step() {
        const std::size_t width = sizes_.batch / shards_;
        const auto one = [&](std::size_t i) {
            Tape<float>& tape = tapes_[i];
            const Recording<float> recording(tape);
            tape.clear();
            const auto x = tape.variable(x_.slice(1, i * width, (i + 1) * width));
            const auto out = layer_(x).output;
            tape.backward(out, Tensor<float>::ones(out.shape()));
        };
        if (shards_ > 1) {
            threads::for_shards(shards_, one);
        } else {
            const threads::ParallelRegion region;
            one(0);
        }
    }

private:
    Sizes sizes_;
    std::size_t shards_;
    Layer layer_;
    std::vector<Tape<float>> tapes_;
    Tensor<float> x_;
};

#if HAS_ONEDNN
using dnnl::prop_kind;
using Way = dnnl::rnn_direction;
constexpr Way way = Way::unidirectional_left2right;

struct Lstm {
    using Layer = nn::Lstm<float>;
    static constexpr long gates = 4, biases = 4;
    static constexpr bool has_c = true;
    using Forward = dnnl::lstm_forward;
    using Backward = dnnl::lstm_backward;
    template <class Primitive, class... D>
    static typename Primitive::desc describe(prop_kind kind, const D&... d) {
        return {kind, way, d...};
    }
};
struct Rnn {
    using Layer = nn::Rnn<float>;
    static constexpr long gates = 1, biases = 1;
    static constexpr bool has_c = false;
    using Forward = dnnl::vanilla_rnn_forward;
    using Backward = dnnl::vanilla_rnn_backward;
    template <class Primitive, class... D>
    static typename Primitive::desc describe(prop_kind kind, const D&... d) {
        return {kind, dnnl::algorithm::eltwise_tanh, way, d...};
    }
};
struct Gru {
    using Layer = nn::Gru<float>;
    static constexpr long gates = 3, biases = 4;
    static constexpr bool has_c = false;
    using Forward = dnnl::lbr_gru_forward;
    using Backward = dnnl::lbr_gru_backward;
    template <class Primitive, class... D>
    static typename Primitive::desc describe(prop_kind kind, const D&... d) {
        return {kind, way, d...};
    }
};

template <class Cell>
class OneDnn {
public:
    explicit OneDnn(const Sizes& s) : engine_(dnnl::engine::kind::cpu, 0), stream_(engine_) {
        using tag = dnnl::memory::format_tag;
        const auto T = static_cast<long>(s.steps), B = static_cast<long>(s.batch);
        const auto I = static_cast<long>(s.input), H = static_cast<long>(s.hidden);
        const auto shaped = [](dnnl::memory::dims d, tag t) {
            return dnnl::memory::desc(d, dnnl::memory::data_type::f32, t);
        };
        const auto x = shaped({T, B, I}, tag::tnc), y = shaped({T, B, H}, tag::tnc);
        const auto state = shaped({1, 1, B, H}, tag::ldnc);
        const auto bias = shaped({1, 1, Cell::biases, H}, tag::ldgo);
        const auto wx = shaped({1, 1, I, Cell::gates, H}, tag::any);
        const auto wh = shaped({1, 1, H, Cell::gates, H}, tag::any);

        using Forward = typename Cell::Forward::primitive_desc;
        using Backward = typename Cell::Backward::primitive_desc;
        Forward forward;
        Backward backward;
        if constexpr (Cell::has_c) {
            forward = Forward(
                Cell::template describe<typename Cell::Forward>(
                    prop_kind::forward_training, x, state, state, wx, wh, bias, y, state, state),
                engine_);
            backward = Backward(Cell::template describe<typename Cell::Backward>(
                                    prop_kind::backward, x, state, state, wx, wh, bias, y, state,
                                    state, x, state, state, wx, wh, bias, y, state, state),
                                engine_, forward);
        } else {
            forward = Forward(Cell::template describe<typename Cell::Forward>(
                                  prop_kind::forward_training, x, state, wx, wh, bias, y, state),
                              engine_);
            backward = Backward(Cell::template describe<typename Cell::Backward>(
                                    prop_kind::backward, x, state, wx, wh, bias, y, state, x, state,
                                    wx, wh, bias, y, state),
                                engine_, forward);
        }
        weights_[0] = fresh(shaped({1, 1, I, Cell::gates, H}, tag::ldigo));
        weights_[1] = fresh(shaped({1, 1, H, Cell::gates, H}, tag::ldigo));
        const auto put = [&](auto& arguments, int argument, const dnnl::memory::desc& desc) {
            arguments[argument] = fresh(desc);
        };
        put(forward_, DNNL_ARG_SRC_LAYER, x);
        put(forward_, DNNL_ARG_SRC_ITER, state);
        put(forward_, DNNL_ARG_WEIGHTS_LAYER, forward.weights_layer_desc());
        put(forward_, DNNL_ARG_WEIGHTS_ITER, forward.weights_iter_desc());
        put(forward_, DNNL_ARG_BIAS, bias);
        put(forward_, DNNL_ARG_DST_LAYER, y);
        put(forward_, DNNL_ARG_DST_ITER, state);
        put(forward_, DNNL_ARG_WORKSPACE, forward.workspace_desc());
        if (Cell::has_c) {
            put(forward_, DNNL_ARG_SRC_ITER_C, state);
            put(forward_, DNNL_ARG_DST_ITER_C, state);
        }
        backward_ = forward_;
        put(backward_, DNNL_ARG_WEIGHTS_LAYER, backward.weights_layer_desc());
        put(backward_, DNNL_ARG_WEIGHTS_ITER, backward.weights_iter_desc());
        put(backward_, DNNL_ARG_DIFF_SRC_LAYER, x);
        put(backward_, DNNL_ARG_DIFF_SRC_ITER, state);
        put(backward_, DNNL_ARG_DIFF_WEIGHTS_LAYER, backward.diff_weights_layer_desc());
        put(backward_, DNNL_ARG_DIFF_WEIGHTS_ITER, backward.diff_weights_iter_desc());
        put(backward_, DNNL_ARG_DIFF_BIAS, bias);
        put(backward_, DNNL_ARG_DIFF_DST_LAYER, y);
        put(backward_, DNNL_ARG_DIFF_DST_ITER, state);
        if (Cell::has_c) {
            put(backward_, DNNL_ARG_DIFF_SRC_ITER_C, state);
            put(backward_, DNNL_ARG_DIFF_DST_ITER_C, state);
        }
        run_forward_ = typename Cell::Forward(forward);
        run_backward_ = typename Cell::Backward(backward);
    }

    // Weight reorders, forward, backward with zeroed weight gradients; no update.
    void step() {
        omp_set_num_threads(static_cast<int>(threads::count()));
        for (const int i : {0, 1}) {
            const int arg = i == 0 ? DNNL_ARG_WEIGHTS_LAYER : DNNL_ARG_WEIGHTS_ITER;
            for (auto* to : {&forward_, &backward_})
                dnnl::reorder(weights_[i], to->at(arg)).execute(stream_, weights_[i], to->at(arg));
        }
        run_forward_.execute(stream_, forward_);
        for (const int arg :
             {DNNL_ARG_DIFF_WEIGHTS_LAYER, DNNL_ARG_DIFF_WEIGHTS_ITER, DNNL_ARG_DIFF_BIAS}) {
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
    typename Cell::Forward run_forward_;
    typename Cell::Backward run_backward_;
};
#else
struct Lstm {
    using Layer = nn::Lstm<float>;
};
struct Rnn {
    using Layer = nn::Rnn<float>;
};
struct Gru {
    using Layer = nn::Gru<float>;
};
#endif

template <class Cell>
void measure(const std::string& cell, double onednn_target) {
    bench::Torch torch(TORCH_SCRIPT);
    for (const Sizes& s : {Sizes{32, 64, 50, 1},
                           {64, 128, 64, 16},
                           {128, 256, 64, 32},
                           {256, 256, 100, 64},
                           {512, 512, 50, 64}}) {
        Ours<typename Cell::Layer> ours(s);
        std::vector<bench::Run> runs{bench::timed([&] { ours.step(); })};
        const std::string name = cell + "." + s.text("x");
        const std::size_t first_torch = 1 + HAS_ONEDNN;
#if HAS_ONEDNN
        OneDnn<Cell> onednn(s);
        runs.push_back(bench::timed([&] { onednn.step(); }));
#else
        std::printf("%s: oneDNN is not installed, no comparison\n", name.c_str());
#endif
        for (auto& run : torch.steps(name, cell + " " + s.text(" ")))
            runs.push_back(std::move(run));
        const std::vector<double> times = bench::in_turn(runs);
        std::printf("%-24s unroll %8.3f ms", name.c_str(), times[0] * 1e3);
        if (HAS_ONEDNN) std::printf("   oneDNN %8.3f ms", times[1] * 1e3);
        double best = 0;
        if (times.size() > first_torch) {
            best = *std::min_element(times.begin() + static_cast<long>(first_torch), times.end());
            std::printf("   PyTorch %8.3f ms", best * 1e3);
        }
        std::printf("\n");
        if (HAS_ONEDNN)
            bench::figure(name + ".onednn", times[1] / times[0], "ratio", ">=", onednn_target);
        if (best > 0)
            bench::figure(name + ".pytorch", best / times[0], "ratio", ">=", s.batch == 1 ? 10 : 2);
    }
}

} // namespace

int main() {
    const std::string cell = CELL;
    if (cell == "lstm") measure<Lstm>(cell, 1.0);
    if (cell == "rnn") measure<Rnn>(cell, 0.9);
    if (cell == "gru") measure<Gru>(cell, 0.9);
}
