#include "../readers.hpp"

#define main main_of_forecast
#include "../../../examples/forecast/main.cpp"

namespace {

const fuzz::AddModel model("forecast", [](const std::string& path) {
    forecast::predict({.path = path, .svg = "", .steps = 2, .paths = 2});
});

} // namespace
