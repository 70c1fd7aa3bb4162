// A training program: validation, a schedule, early stopping, and checkpoints for exact resumption:
// `training 5` stops after five epochs, `training` continues with bitwise identical results.
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <unroll/unroll.hpp>
using namespace unroll;

Tensor<float> waves(Random& random, std::size_t batch) { // [T + 1, B, 1] of random frequencies
    Tensor<float> x({31, batch, 1});
    random.fill_normal(x.data(), x.size(), 0.f, 0.05f);
    for (std::size_t b = 0; b < batch; ++b) {
        const double frequency = 0.2 + 0.6 * random.uniform(), phase = 6.3 * random.uniform();
        for (int t = 0; t < 31; ++t) x(t, b, 0) += float(std::sin(frequency * t + phase));
    }
    return x;
}

int main(int argc, char** argv) {
    const float last = argc > 1 ? std::stof(argv[1]) : 40;
    nn::seed(1), thread_random() = Random(1); // initial weights, dropout
    nn::Gru<float> gru({.input = 1, .hidden = 24, .layers = 2, .dropout = 0.05});
    nn::Linear<float> out({.input = 24, .output = 1});
    const auto loss_of = [&](const Tensor<float>& x) { // predicts from earlier values
        return mean_squared_error(out(gru(x.slice(0, 0, 30)).output), x.slice(0, 1, 31));
    };
    optim::AdamW<float> adam(parameters(gru, out), {.weight_decay = 1e-3});
    const auto schedule = optim::warm_up(20, optim::cosine(1e-2, 600, 1e-4));
    Random data(2), held_out(3);
    const Tensor<float> validation = waves(held_out, 64);
    float epoch = 0, waited = 0, best = INFINITY; // waited: epochs since the best one
    optim::Checkpoint<float> run{.parameters = adam.parameters(), .optimizer = &adam};
    if (std::filesystem::exists("run.safetensors")) {
        run.load("run.safetensors");
        const Tensor<float>& progress = run.tensors.at("progress");
        epoch = progress(0), waited = progress(1), best = progress(2);
        data = Random::restore(optim::random_state(run.metadata.at("data")));
        thread_random() = Random::restore(optim::random_state(run.metadata.at("noise")));
    }
    while (epoch < last && waited < 4) {
        for (int batch = 0; batch < 20; ++batch) {
            Tape tape;
            tape.backward(loss_of(waves(data, 32)));
            optim::clip_norm(adam.parameters(), 1.0);
            adam.set_learning_rate(schedule(adam.steps()));
            adam.step();
        }
        const float error = loss_of(validation).item(); // without a tape: no dropout
        waited = error < best ? 0 : waited + 1;
        if (error < best) optim::save_weights("best.safetensors", adam.parameters());
        best = std::min(best, error);
        run.tensors["progress"] = Tensor<float>({3}, {++epoch, waited, best});
        run.metadata = {{"data", optim::to_metadata(data.state())},
                        {"noise", optim::to_metadata(thread_random().state())}};
        run.save("run.safetensors");
        std::printf("epoch %.0f: validation %.5f\n", epoch, error);
    }
    optim::load_weights("best.safetensors", adam.parameters());
    std::printf("best validation: %.9g\n", loss_of(validation).item());
}
