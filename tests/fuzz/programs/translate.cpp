#include "../readers.hpp"

#define main main_of_translate
#include "../../../examples/translate/main.cpp"

namespace {

const fuzz::AddModel model("translate", [](const std::string& path) {
    translate::run_translate(path, {"the cat"}, 2, "");
});

const fuzz::Add pairs("translate", [](const std::string& path) { translate::Pairs(path, 1500); });

} // namespace
