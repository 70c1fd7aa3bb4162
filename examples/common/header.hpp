#pragma once

#include <unroll/unroll.hpp>

#include <map>
#include <string>

namespace example {

// What a model's file says about itself.
class Header {
public:
    // Throws Error for a file that `program` did not write.
    Header(const std::string& path, const std::string& program);
    // Throw Error where the word is missing, or no such number.
    const std::string& word(const std::string& key) const;
    std::size_t size(const std::string& key) const;
    double real(const std::string& key) const;
    unroll::nn::Vocabulary vocabulary(const std::string& key,
                                      const unroll::nn::SpecialSymbols& special = {}) const;

private:
    std::string path_;
    std::map<std::string, std::string> words_;
};

// As words that Header reads back as they were.
std::string exact(double value);
std::string joined(const unroll::nn::Vocabulary& vocabulary);

template <class Model>
auto named(Model& model) {
    return unroll::optim::by_name<unroll::nn::scalar_of<Model>>(
        unroll::nn::named_parameters(model));
}

// A model made of `arguments`, with the weights of a file; throws Error where they do not fit.
template <class Model, class... A>
Model load(const std::string& path, const A&... arguments) {
    Model model(arguments...);
    unroll::optim::load_weights(path, named(model));
    return model;
}

} // namespace example
