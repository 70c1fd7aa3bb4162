// An LSTM whose weights are vectors, the model by which tools for automatic differentiation are
// compared (ADBench and GradBench, "lstm"): the gradient of its loss over one sequence in double,
// against a reverse sweep written by hand.

#include "measure.hpp"

#include <unroll/ops/fuse/fuse.hpp>
#include <unroll/unroll.hpp>

#include <cmath>

using namespace unroll;

namespace {

constexpr std::size_t width = 14;

// f = sigmoid(x w_f + b_f), i = sigmoid(h w_i + b_i), o = sigmoid(x w_o + b_o),
// g = tanh(h w_g + b_g), c' = c f + i g, h' = o tanh c'
struct DiagonalCell {
    DiagonalCell(std::size_t, std::size_t hidden) {
        for (Parameter<double>* p : {&w_f, &w_i, &w_o, &w_g, &b_f, &b_i, &b_o, &b_g})
            *p = Parameter<double>("vector", Tensor<double>::zeros({hidden}));
    }

    Variable<double> project(const Variable<double>& x) const {
        return concatenate({x * w_f + b_f, x * w_o + b_o}, -1);
    }
    nn::State<double, 2> step(const Variable<double>& z, const nn::State<double, 2>& state) const {
        const auto& [h, c] = state;
        return fuse(
            "diagonal",
            [](auto f, auto o, auto h, auto c, auto w_i, auto b_i, auto w_g, auto b_g) {
                const auto next = c * sigmoid(f) + sigmoid(h * w_i + b_i) * tanh(h * w_g + b_g);
                return outputs(sigmoid(o) * tanh(next), next);
            },
            block(z, 0, 2), block(z, 1, 2), h, c, w_i, b_i, w_g, b_g);
    }
    void members(nn::Members<double>& m) {
        m("w_f", w_f)("w_i", w_i)("w_o", w_o)("w_g", w_g);
        m("b_f", b_f)("b_i", b_i)("b_o", b_o)("b_g", b_g);
    }

    Parameter<double> w_f, w_i, w_o, w_g, b_f, b_i, b_o, b_g;
};

struct Model {
    using value_type = double;
    explicit Model(std::size_t layers) : net({.input = width, .hidden = width, .layers = layers}) {
        for (Parameter<double>* p : {&input, &output, &bias})
            *p = Parameter<double>("vector", Tensor<double>::zeros({width}));
        double x = 0;
        for (auto& p : parameters(*this))
            for (std::size_t i = 0; i < p.size(); ++i) p.change().data()[i] = std::sin(x += 1);
    }
    void members(nn::Members<double>& m) {
        m("net", net)("input", input)("output", output)("bias", bias);
    }

    // x [T + 1, 1, width]
    Variable<double> loss(const Tensor<double>& x) const {
        const std::size_t steps = x.shape(0) - 1;
        const auto h = net(x.slice(0, 0, steps) * input).output;
        const auto y = h * output + bias;
        return -mean(x.slice(0, 1, steps + 1) * (y - log(2 + sum(exp(y), {-1}, true))));
    }

    nn::Recurrent<DiagonalCell> net;
    Parameter<double> input, output, bias; // factors of the input and the output
};

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

// The same, with its derivative.
class ByHand {
public:
    explicit ByHand(Model& model) {
        const auto all = parameters(model);
        values_ = optim::parameters_to_vector(all).to_vector();
        layers_ = all.size() / 8;
        gradients_ = values_;
    }

    // In the order of parameters(model).
    const std::vector<double>& gradients() const { return gradients_; }

    double run(const Tensor<double>& sequence) {
        const std::size_t steps = sequence.shape(0) - 1, n = width;
        const double* const x = sequence.data();
        const double* const ends = &values_[8 * layers_ * n];
        steps_.resize(steps * layers_ * n);
        inputs_.resize(steps * n), outputs_.resize(steps * n);
        double loss = 0;
        for (std::size_t i = 0; i < steps * n; ++i) inputs_[i] = x[i] * ends[i % n];
        for (std::size_t t = 0; t < steps; ++t) {
            const double* in = &inputs_[t * n];
            for (std::size_t l = 0; l < layers_; ++l) {
                const double *const w = &values_[8 * l * n], *const b = w + 4 * n;
                Step* const now = &steps_[(t * layers_ + l) * n];
                const Step* const before = t > 0 ? now - layers_ * n : nullptr;
                for (std::size_t k = 0; k < n; ++k) {
                    Step& s = now[k];
                    s.x = l == 0 ? in[k] : (now - n)[k].h;
                    const double h = before ? before[k].h : 0, c = before ? before[k].c : 0;
                    s.f = sigmoid(s.x * w[k] + b[k]);
                    s.i = sigmoid(h * w[n + k] + b[n + k]);
                    s.o = sigmoid(s.x * w[2 * n + k] + b[2 * n + k]);
                    s.g = std::tanh(h * w[3 * n + k] + b[3 * n + k]);
                    s.c = c * s.f + s.i * s.g;
                    s.tanh_c = std::tanh(s.c);
                    s.h = s.o * s.tanh_c;
                }
            }
            const Step* const last = &steps_[(t * layers_ + layers_ - 1) * n];
            double total = 2;
            for (std::size_t k = 0; k < n; ++k) {
                outputs_[t * n + k] = last[k].h * ends[n + k] + ends[2 * n + k];
                total += std::exp(outputs_[t * n + k]);
            }
            for (std::size_t k = 0; k < n; ++k)
                loss -= x[(t + 1) * n + k] * (outputs_[t * n + k] - std::log(total));
        }
        sweep(x, steps);
        return loss / static_cast<double>(steps * n);
    }

private:
    struct Step {
        double x, f, i, o, g, c, tanh_c, h;
    };

    void sweep(const double* x, std::size_t steps) {
        const std::size_t n = width;
        const double* const ends = &values_[8 * layers_ * n];
        double* const of_ends = &gradients_[8 * layers_ * n];
        std::fill(gradients_.begin(), gradients_.end(), 0.0);
        std::vector<double> of_h(layers_ * n), of_c(layers_ * n);
        const double scale = -1 / static_cast<double>(steps * n);
        for (std::size_t t = steps; t-- > 0;) {
            double total = 2, next = 0;
            for (std::size_t k = 0; k < n; ++k) {
                total += std::exp(outputs_[t * n + k]);
                next += x[(t + 1) * n + k];
            }
            const Step* const last = &steps_[(t * layers_ + layers_ - 1) * n];
            for (std::size_t k = 0; k < n; ++k) {
                const double of_y =
                    scale * (x[(t + 1) * n + k] - next * std::exp(outputs_[t * n + k]) / total);
                of_ends[n + k] += of_y * last[k].h;
                of_ends[2 * n + k] += of_y;
                of_h[(layers_ - 1) * n + k] += of_y * ends[n + k];
            }
            for (std::size_t l = layers_; l-- > 0;) {
                const double* const w = &values_[8 * l * n];
                double *const of_w = &gradients_[8 * l * n], *const of_b = of_w + 4 * n;
                const Step* const now = &steps_[(t * layers_ + l) * n];
                const Step* const before = t > 0 ? now - layers_ * n : nullptr;
                for (std::size_t k = 0; k < n; ++k) {
                    const Step& s = now[k];
                    const double h = before ? before[k].h : 0, c = before ? before[k].c : 0;
                    const double of_output = of_h[l * n + k];
                    const double of_state =
                        of_c[l * n + k] + of_output * s.o * (1 - s.tanh_c * s.tanh_c);
                    const double of_o = of_output * s.tanh_c * s.o * (1 - s.o),
                                 of_f = of_state * c * s.f * (1 - s.f),
                                 of_i = of_state * s.g * s.i * (1 - s.i),
                                 of_g = of_state * s.i * (1 - s.g * s.g);
                    of_w[k] += of_f * s.x, of_b[k] += of_f;
                    of_w[n + k] += of_i * h, of_b[n + k] += of_i;
                    of_w[2 * n + k] += of_o * s.x, of_b[2 * n + k] += of_o;
                    of_w[3 * n + k] += of_g * h, of_b[3 * n + k] += of_g;
                    of_c[l * n + k] = of_state * s.f;
                    of_h[l * n + k] = of_i * w[n + k] + of_g * w[3 * n + k];
                    const double of_x = of_f * w[k] + of_o * w[2 * n + k];
                    if (l > 0)
                        of_h[(l - 1) * n + k] += of_x;
                    else
                        of_ends[k] += of_x * x[t * n + k];
                }
            }
        }
    }

    std::vector<double> values_, gradients_;
    std::size_t layers_;
    std::vector<Step> steps_;
    std::vector<double> inputs_, outputs_;
};

} // namespace

int main() {
    for (const std::size_t layers : {2, 4})
        for (const std::size_t steps : {1024, 4096}) {
            Model model(layers);
            const auto all = parameters(model);
            Tensor<double> x({steps, 1, width});
            for (std::size_t i = 0; i < x.size(); ++i)
                x.data()[i] = std::cos(0.7 * static_cast<double>(i));
            ByHand by_hand(model);
            double loss = 0;
            const auto recorded = [&] {
                for (const auto& p : all) p.clear_gradient();
                Tape<double> tape;
                const auto y = model.loss(x);
                tape.backward(y);
                loss = y.item();
            };
            recorded();
            double error = std::abs(by_hand.run(x) - loss);
            const auto gradients = optim::gradients_to_vector(all).to_vector();
            for (std::size_t i = 0; i < gradients.size(); ++i)
                error = std::max(error, std::abs(gradients[i] - by_hand.gradients()[i]));
            const auto times = bench::in_turn(
                {bench::timed(recorded), bench::timed([&] { by_hand.run(x); })}, 7, 1);
            std::printf("%zu layers, %zu steps: recorded %.2f ms, by hand %.2f ms, largest "
                        "difference %.1g\n",
                        layers, steps, times[0] * 1e3, times[1] * 1e3, error);
            bench::figure("diagonal." + std::to_string(layers) + "x" + std::to_string(steps),
                          times[0] / times[1], "times by hand", "<=", 1.5);
        }
}
