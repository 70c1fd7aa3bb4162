#pragma once

#include <unroll/core/check/table.hpp>
#include <unroll/core/tensor/tensor.hpp>

#include <span>
#include <string>
#include <vector>

namespace unroll::nn {

// Precision, recall and their harmonic mean, F1 = 2 P R / (P + R). 0/0 counts as 0.
struct Scores {
    double precision = 0, recall = 0, f1 = 0;

    // From the numbers of correct, predicted and actual items.
    static Scores of(std::size_t right, std::size_t predicted, std::size_t actual);
};

// Counts of predicted classes for each actual class.
class ConfusionMatrix {
public:
    // Throws Error for no classes.
    explicit ConfusionMatrix(std::size_t classes, Where where = Where::current());

    // Counts targets and predictions of the same shape; targets equal to `ignored` are skipped.
    // Throws Error, counting nothing, if shapes differ and, with the position, for a class outside
    // [0, classes).
    void add(const Indices& targets, const Indices& predicted, std::int64_t ignored = -100,
             Where where = Where::current());

    std::size_t classes() const { return classes_; }
    std::size_t total() const;
    std::size_t count(std::size_t target, std::size_t predicted,
                      Where where = Where::current()) const;
    double accuracy() const; // 0 if nothing was counted
    Scores of_class(std::size_t c, Where where = Where::current()) const;
    // Averages over all classes except `left_out`: micro pools the counts; macro is the mean over
    // classes that occur as a target or a prediction.
    Scores micro(std::span<const std::size_t> left_out = {}) const;
    Scores macro(std::span<const std::size_t> left_out = {}) const;
    // Rows are targets, columns predictions. Throws Error if the number of names differs.
    Table table(std::span<const std::string> names, Where where = Where::current()) const;

private:
    std::size_t row(std::size_t c) const;
    std::size_t column(std::size_t c) const;

    std::size_t classes_;
    std::vector<std::size_t> counts_; // [target, predicted]
};

// The fraction of correct predictions; targets equal to `ignored` are skipped; 0 if nothing is
// left. Throws Error if shapes differ.
double accuracy(const Indices& targets, const Indices& predicted, std::int64_t ignored = -100,
                Where where = Where::current());

// exp(nats / tokens), where nats is the summed -log p of a text. Throws Error for 0 tokens.
double perplexity(double nats, std::size_t tokens, Where where = Where::current());
// nats / (log 2 characters). Throws Error for 0 characters.
double bits_per_character(double nats, std::size_t characters, Where where = Where::current());

// For predictions p and targets y of the same shape, not empty; throw Error otherwise. sqrt(mean (p
// - y)^2)
template <class T>
double root_mean_squared_error(const Tensor<T>& targets, const Tensor<T>& predicted,
                               Where where = Where::current());
// mean |p - y|
template <class T>
double mean_absolute_error(const Tensor<T>& targets, const Tensor<T>& predicted,
                           Where where = Where::current());
// Pearson's correlation: cov(p, y) / (dev(p) dev(y)), 0 if one of them is constant.
template <class T>
double correlation(const Tensor<T>& targets, const Tensor<T>& predicted,
                   Where where = Where::current());
// mean |p - y| / |y|, as a fraction, not in percent; throws Error for a target of 0.
template <class T>
double mean_absolute_percentage_error(const Tensor<T>& targets, const Tensor<T>& predicted,
                                      Where where = Where::current());

} // namespace unroll::nn
