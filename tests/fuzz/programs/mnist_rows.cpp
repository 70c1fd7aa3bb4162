#include "../readers.hpp"

#define main main_of_mnist_rows
#include "../../../examples/mnist_rows/main.cpp"

namespace {

const fuzz::AddModel model("mnist_rows", [](const std::string& path) {
    static const auto digits = example::digits_of("", false);
    const auto model = example::load<mnist_rows::Settings, mnist_rows::Model>(path).model;
    model(digits, std::array<std::size_t, 1>{});
});

} // namespace
