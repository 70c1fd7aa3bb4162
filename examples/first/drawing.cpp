// Drawing graphs: a picture of a model, an interactive page, and the same network coloured by the
// norm of the gradient at each step.
#include <unroll/ops/fuse/fuse.hpp>
#include <unroll/unroll.hpp>

#include <iostream>
using namespace unroll;

int main() {
    nn::Embedding<float> embed({.vocabulary = 20, .width = 8});
    nn::Gru<float> gru({.input = 8, .hidden = 16, .layers = 2});
    nn::AttentionPooling<float> pool({.input = 16, .hidden = 8});
    nn::Linear<float> out({.input = 16, .output = 2});
    const Indices words = Indices::ones({12, 4}), classes = Indices::zeros({4}); // [T, B], [B]

    Tape tape;
    const Statistics<float> statistics(tape); // records gradients in the backward pass
    const auto states = gru(embed(words)).output;
    const auto [context, weights] = pool(states);
    const auto loss = cross_entropy(out(context), classes);
    graph::write("model.svg", loss, {.left_to_right = true}); // the twelve steps drawn once
    graph::write("model.html", loss);                         // modules expand on a click
    tape.backward(loss);
    graph::write("steps.svg", loss,
                 {.fold = graph::Fold::none,
                  .depth = 2,
                  .parameters = false,
                  .color = graph::Color::gradient_norm,
                  .statistics = &statistics});
    std::cout << table(statistics.parameters()).text();

    // The formula of a custom function, as a picture and as text.
    const auto swish = named("x b -> y", [](auto x, auto b) { return x * sigmoid(b * x); });
    const auto x = Variable(Tensor<float>::ones({3}));
    const auto y = fuse("swish", swish, tape.variable(x.value(), "x"), 1.5f);
    graph::write("swish.svg", y, {.open = true});
    std::cout << text(formula(y)) << "\n" << latex(formula(y)) << "\n";
    std::cout << "written: model.svg model.html steps.svg swish.svg\n";
}
