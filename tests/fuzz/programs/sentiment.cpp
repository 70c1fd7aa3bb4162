#include "../readers.hpp"

#define main main_of_sentiment
#include "../../../examples/sentiment/main.cpp"

namespace {

const fuzz::AddModel model("sentiment",
                           [](const std::string& path) { sentiment::classify(path, "A film"); });

} // namespace
