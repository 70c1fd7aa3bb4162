#include "support.hpp"

#include <unroll/nn/initialize.hpp>
#include <unroll/nn/layers/layers.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/reduce.hpp>
#include <unroll/optim/checkpoint.hpp>

#include <filesystem>

#include <unistd.h>

using namespace test;

namespace {

struct File {
    explicit File(const std::string& name)
        : path((std::filesystem::temp_directory_path() /
                ("unroll_test_" + std::to_string(::getpid()) + name + ".safetensors"))
                   .string()) {}
    ~File() { std::filesystem::remove(path); }
    std::string path;
};

nn::Linear<float> build() {
    nn::seed(1);
    return nn::Linear<float>({.input = 3, .output = 2});
}

const Tensor<float> x = random_tensor<float>({4, 3});

void train(nn::Linear<float>& layer, optim::Optimizer<float>& optimizer, int steps) {
    for (int i = 0; i < steps; ++i) {
        Tape<float> tape;
        const auto y = layer(Variable(x));
        tape.backward(mean(y * y));
        optimizer.step();
    }
}

} // namespace

TEST_CASE("a resumed run continues bit for bit") {
    const File file("resume");
    auto straight = build(), first = build(), second = build();
    optim::Adam<float> a(parameters(straight)), b(parameters(first)), c(parameters(second));
    train(straight, a, 6);
    train(first, b, 3);
    optim::Checkpoint<float> saved{parameters(first), &b, {{"extra", x}}, {{"note", "hello"}}};
    saved.save(file.path);
    optim::Checkpoint<float> loaded{parameters(second), &c, {}, {}};
    loaded.load(file.path);
    CHECK(loaded.metadata == std::map<std::string, std::string>{{"note", "hello"}});
    CHECK(loaded.tensors["extra"] == x);
    CHECK(c.steps() == 3);
    train(second, c, 3);
    CHECK(second.weight.value() == straight.weight.value());
    CHECK(second.bias.value() == straight.bias.value());

    SUBCASE("mismatches are listed, and nothing is changed") {
        nn::Linear<float> other({.input = 4, .output = 2, .bias = false});
        const auto before = other.weight.value().copy();
        const std::string error =
            error_of([&] { optim::load_weights<float>(file.path, parameters(other)); });
        CHECK(contains(error, "misshaped: weight is [2, 3], expected [2, 4]"));
        CHECK(contains(error, "unexpected: bias"));
        CHECK(other.weight.value() == before);
    }
    SUBCASE("the state of another optimiser") {
        optim::Sgd<float> sgd(parameters(second));
        const auto before = second.weight.value().copy();
        optim::Checkpoint<float> wrong{parameters(second), &sgd, {}, {}};
        const std::string error = error_of([&] { wrong.load(file.path); });
        CHECK(contains(error, "'" + file.path + "': "));
        CHECK(contains(error, "missing: weight.momentum [2, 3]"));
        CHECK(contains(error, "unexpected: bias.squares [2]"));
        CHECK(second.weight.value() == before);
        CHECK(sgd.steps() == 0);
    }
}

TEST_CASE("the state of an optimiser is identified by path") {
    auto layer = build();
    optim::Adam<float> adam(
        Parameters<float>{{"decoder.out.weight", layer.weight}, {"decoder.out.bias", layer.bias}});
    std::vector<std::string> names;
    for (const auto& [name, tensor] : adam.state()) names.push_back(name);
    CHECK(names == std::vector<std::string>{"decoder.out.bias.mean", "decoder.out.bias.squares",
                                            "decoder.out.bias.updates", "decoder.out.weight.mean",
                                            "decoder.out.weight.squares",
                                            "decoder.out.weight.updates"});
    // The order of the list does not matter.
    adam.allow_unlisted(true);
    train(layer, adam, 2);
    optim::Adam<float> other(
        Parameters<float>{{"decoder.out.bias", layer.bias}, {"decoder.out.weight", layer.weight}});
    other.restore(adam.state(), 2);
    CHECK(other.state() == adam.state());

    auto state = adam.state();
    state["3.mean"] = state["decoder.out.bias.mean"];
    state["decoder.out.bias.updates"].fill(1.5f);
    state["decoder.out.weight.mean"] = Tensor<float>::zeros({3, 2});
    state.erase("decoder.out.bias.mean");
    const auto before = other.state();
    const std::string error = error_of([&] { other.restore(state, 7); });
    CHECK(contains(error, "missing: decoder.out.bias.mean [2]"));
    CHECK(contains(error, "unexpected: 3.mean [2]"));
    CHECK(contains(error, "misshaped: decoder.out.weight.mean is [3, 2], expected [2, 3]"));
    CHECK(contains(error, "decoder.out.bias.updates is not a valid number of updates"));
    CHECK(other.state() == before);
    CHECK(other.steps() == 2);
}

TEST_CASE("training state of an earlier version is rejected with a reason") {
    const File file("version1");
    auto layer = build();
    const auto weight = random_tensor<float>({2, 3}), bias = random_tensor<float>({2});
    write_safetensors(file.path,
                      {{"weight", weight},
                       {"bias", bias},
                       {"optimizer.0.mean", weight},
                       {"optimizer.0.squares", weight}},
                      {{"unroll.checkpoint", "1"}, {"unroll.steps", "5"}});
    optim::Adam<float> adam(parameters(layer));
    optim::Checkpoint<float> checkpoint{parameters(layer), &adam, {}, {}};
    const auto before = layer.weight.value().copy();
    const std::string error = error_of([&] { checkpoint.load(file.path); });
    CHECK(contains(error, "version 1"));
    CHECK(contains(error, "was identified by index and is now identified by path"));
    CHECK(layer.weight.value() == before);
    optim::load_weights(file.path, parameters(layer));
    CHECK(layer.weight.value() == weight);
}

TEST_CASE("load_weights: float64, and counters of PyTorch") {
    const File file("pytorch");
    auto layer = build();
    const auto weight = Tensor<double>::full(layer.weight.shape(), 0.1);
    const auto bias = Tensor<double>::full(layer.bias.shape(), 0.2);
    write_safetensors(
        file.path,
        {{"weight", weight}, {"bias", bias}, {"norm.num_batches_tracked", Indices({1})}});
    CHECK(error_of([&] { optim::load_weights(file.path, parameters(layer)); }) != "");
    optim::load_weights(file.path, parameters(layer), Narrowing::allow);
    CHECK(layer.weight.value()(0, 0) == 0.1f);
    CHECK(layer.bias.value()(0) == 0.2f);
}

TEST_CASE("checkpoints reject content that could not be read back") {
    const File file("broken");
    auto layer = build();
    optim::Adam<float> adam(parameters(layer));
    const auto state = adam.state();
    std::vector<NamedTensor> all{{"weight", layer.weight.value()}, {"bias", layer.bias.value()}};
    for (const auto& [name, tensor] : state) all.push_back({"optimizer." + name, tensor});
    optim::Checkpoint<float> checkpoint{parameters(layer), &adam, {}, {}};
    auto other = build();
    optim::Adam<float> of_other(parameters(other));
    optim::Checkpoint<float> mixed{parameters(layer), &of_other, {}, {}};
    CHECK(contains(error_of([&] { mixed.save(file.path); }), "are they of another model?"));
    CHECK(contains(error_of([&] { mixed.load(file.path); }), "are they of another model?"));
    for (const char* steps : {"", "8abc", "-1", "1.5", "99999999999999999999"}) {
        write_safetensors(file.path, all, {{"unroll.checkpoint", "2"}, {"unroll.steps", steps}});
        CHECK(contains(error_of([&] { checkpoint.load(file.path); }), "optimiser's step"));
    }
    CHECK(
        contains(error_of([&] {
                     optim::save_weights(file.path, Parameters<float>{{"tensor.w", layer.weight}});
                 }),
                 "may not begin with"));
    CHECK(contains(error_of([&] {
                       optim::save_weights(
                           file.path, Parameters<float>{{"w", layer.weight}, {"w", layer.bias}});
                   }),
                   "two parameters have the path 'w'"));
    auto moved_to = std::move(layer);
    CHECK(contains(error_of([&] { optim::save_weights(file.path, parameters(layer)); }),
                   "there are no parameters to save"));
    CHECK(contains(error_of([&] {
                       optim::Checkpoint<float>{{}, &adam, {}, {}}.save(file.path);
                   }),
                   "there are no parameters to save"));
    layer = std::move(moved_to);
    // A parameter that is listed twice is saved once, by its first path.
    optim::save_weights(file.path, Parameters<float>{{"w", layer.weight}, {"v", layer.weight}});
    CHECK(SafetensorsFile::read(file.path).names() == std::vector<std::string>{"w"});
}

TEST_CASE("states of random generators as metadata") {
    Random random(5);
    random.next();
    const auto state = random.state();
    CHECK(optim::random_state(optim::to_metadata(state)) == state);
    for (const char* bad : {"", "1 2", "1 2 x", "1 2 3 4", "1 2 3x", "1 -2 3"})
        CHECK(contains(error_of([&] { optim::random_state(bad); }), "is not the state"));
}
