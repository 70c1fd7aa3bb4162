#pragma once

#include <unroll/core/check/table.hpp>
#include <unroll/core/tensor/tensor.hpp>

#include <span>
#include <string>
#include <vector>

namespace unroll::nn {

// Precision, recall and their harmonic mean, F1 = 2 P R / (P + R). A share of nothing is 0.
struct Scores {
    double precision = 0, recall = 0, f1 = 0;

    // From how many were right, predicted, and there.
    static Scores of(std::size_t right, std::size_t predicted, std::size_t there);
};

// How often each class was taken for which.
class ConfusionMatrix {
public:
    // Throws Error for no classes.
    explicit ConfusionMatrix(std::size_t classes);

    // Counts targets and predictions, of one shape; a target `ignored` is passed over, whatever was
    // predicted. Throws Error, having counted nothing, for other shapes and, with the position, for
    // a class outside [0, classes).
    void add(const Indices& targets, const Indices& predicted, std::int64_t ignored = -100);

    std::size_t classes() const { return classes_; }
    std::size_t total() const;
    std::size_t count(std::size_t target, std::size_t predicted) const;
    double accuracy() const; // 0 of nothing
    Scores of_class(std::size_t c) const;
    // Over all classes but those left out: of the counts added up, and the mean of the classes'
    // scores, of those that occur as a target or a prediction.
    Scores micro(std::span<const std::size_t> left_out = {}) const;
    Scores macro(std::span<const std::size_t> left_out = {}) const;
    // Targets down and predictions across; throws Error for another number of names.
    Table table(std::span<const std::string> names) const;

private:
    std::size_t row(std::size_t c) const;
    std::size_t column(std::size_t c) const;

    std::size_t classes_;
    std::vector<std::size_t> counts_; // [target, predicted]
};

// The share of targets, those `ignored` left out, that were predicted; 0 of nothing. Throws Error
// for other shapes.
double accuracy(const Indices& targets, const Indices& predicted, std::int64_t ignored = -100);

// exp(nats / tokens), of the summed -log p of a text. Throws Error for no tokens.
double perplexity(double nats, std::size_t tokens);
// nats / (log 2 characters). Throws Error for no characters.
double bits_per_character(double nats, std::size_t characters);

// Of predictions p for targets y, of one shape, not empty; throw Error otherwise.
// sqrt(mean (p - y)^2)
template <class T>
double root_mean_squared_error(const Tensor<T>& targets, const Tensor<T>& predicted);
// mean |p - y|
template <class T>
double mean_absolute_error(const Tensor<T>& targets, const Tensor<T>& predicted);
// Pearson's correlation: cov(p, y) / (dev(p) dev(y)), 0 where one of them does not vary.
template <class T>
double correlation(const Tensor<T>& targets, const Tensor<T>& predicted);
// mean |p - y| / |y|, as a share and not in percent; throws Error for a target of 0.
template <class T>
double mean_absolute_percentage_error(const Tensor<T>& targets, const Tensor<T>& predicted);

} // namespace unroll::nn
