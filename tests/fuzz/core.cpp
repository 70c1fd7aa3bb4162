// Readers of core/ and optim/.

#include "readers.hpp"

#include <unroll/core/files/idx.hpp>
#include <unroll/core/files/mnist.hpp>
#include <unroll/core/files/npy.hpp>
#include <unroll/core/files/safetensors.hpp>
#include <unroll/nn/initialize.hpp>
#include <unroll/nn/layers/layers.hpp>
#include <unroll/optim/checkpoint.hpp>

namespace {

using namespace unroll;

nn::Linear<float> small_layer() {
    nn::seed(1);
    return nn::Linear<float>({.input = 2, .output = 3});
}

const fuzz::Add npy("npy", [](const std::string& path) {
    fuzz::accepts([&] { read_npy<float>(path); });
    fuzz::accepts([&] { read_npy<std::int64_t>(path); });
    fuzz::accepts([&] { read_npy<bool>(path); });
    read_npy<double>(path, Narrowing::allow);
});

const fuzz::Add safetensors("safetensors", [](const std::string& path) {
    const auto file = SafetensorsFile::read(path);
    for (const auto& name : file.names()) {
        fuzz::accepts([&] { file.get<float>(name); });
        fuzz::accepts([&] { file.get<std::int64_t>(name); });
        fuzz::accepts([&] { file.get<bool>(name); });
        file.get<double>(name, Narrowing::allow);
    }
});

const fuzz::Add weights("weights", [](const std::string& path) {
    auto layer = small_layer();
    optim::load_weights(path, parameters(layer), Narrowing::allow);
});

const fuzz::Add checkpoint("checkpoint", [](const std::string& path) {
    auto layer = small_layer();
    optim::Adam<float> adam(parameters(layer));
    optim::Checkpoint<float> state{parameters(layer), &adam};
    state.load(path);
    const auto random = state.metadata.find("random");
    if (random != state.metadata.end())
        fuzz::accepts([&] { Random::restore(optim::random_state(random->second)).next(); });
});

const fuzz::Add gzip("gzip", [](const std::string& path) { read_unpacked(path); });

const fuzz::Add idx("idx", [](const std::string& path) { read_idx(path, 3); });

// Labels, "|", and images.
const fuzz::Add mnist(
    "mnist",
    [](const std::string& path) {
        const std::string content = fuzz::text_of(path);
        const std::size_t end = std::min(content.find('|'), content.size());
        const std::string folder = std::filesystem::path(path).parent_path();
        fuzz::put(folder + "/train-labels-idx1-ubyte", content.substr(0, end));
        fuzz::put(path, content.substr(std::min(end + 1, content.size())));
        read_mnist(folder, "train");
    },
    "train-images-idx3-ubyte", false);

} // namespace
