#include <unroll/core/base/scope.hpp>
#include <unroll/nn/text/metrics.hpp>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace unroll::nn {

namespace {

double ratio(std::size_t part, std::size_t all) {
    return all == 0 ? 0 : static_cast<double>(part) / static_cast<double>(all);
}

template <class A, class B>
void check_shapes(const char* owner, const A& targets, const B& predicted) {
    if (targets.shape() != predicted.shape())
        fail(owner, "targets have shape " + to_string(targets.shape()) + ", predictions " +
                        to_string(predicted.shape()));
}

bool holds(std::span<const std::size_t> list, std::size_t n) {
    return std::find(list.begin(), list.end(), n) != list.end();
}

} // namespace

Scores Scores::of(std::size_t right, std::size_t predicted, std::size_t actual) {
    return {ratio(right, predicted), ratio(right, actual), ratio(2 * right, predicted + actual)};
}

ConfusionMatrix::ConfusionMatrix(std::size_t classes, Where where)
    : classes_(classes), counts_(classes * classes) {
    const Called here(where);
    if (classes == 0) fail("ConfusionMatrix", "at least one class is needed");
}

void ConfusionMatrix::add(const Indices& targets, const Indices& predicted, std::int64_t ignored,
                          Where where) {
    const Called here(where);
    check_shapes("ConfusionMatrix", targets, predicted);
    const auto y = targets.to_vector(), p = predicted.to_vector();
    std::vector<std::size_t> cells;
    for (std::size_t i = 0; i < y.size(); ++i) {
        if (y[i] == ignored) continue;
        for (const std::int64_t c : {y[i], p[i]})
            if (c < 0 || static_cast<std::uint64_t>(c) >= classes_)
                fail("ConfusionMatrix", "target " + std::to_string(y[i]) + " and prediction " +
                                            std::to_string(p[i]) + " at position " +
                                            std::to_string(i) + "; classes are in [0, " +
                                            std::to_string(classes_) + ")");
        cells.push_back(static_cast<std::size_t>(y[i]) * classes_ + static_cast<std::size_t>(p[i]));
    }
    for (const std::size_t cell : cells) ++counts_[cell];
}

std::size_t ConfusionMatrix::total() const {
    return std::accumulate(counts_.begin(), counts_.end(), std::size_t{0});
}

std::size_t ConfusionMatrix::count(std::size_t target, std::size_t predicted, Where where) const {
    const Called here(where);
    if (target >= classes_ || predicted >= classes_)
        fail("ConfusionMatrix", "there is no cell [" + std::to_string(target) + ", " +
                                    std::to_string(predicted) + "] of " + std::to_string(classes_) +
                                    " classes");
    return counts_[target * classes_ + predicted];
}

std::size_t ConfusionMatrix::row(std::size_t c) const {
    std::size_t sum = 0;
    for (std::size_t p = 0; p < classes_; ++p) sum += count(c, p);
    return sum;
}

std::size_t ConfusionMatrix::column(std::size_t c) const {
    std::size_t sum = 0;
    for (std::size_t t = 0; t < classes_; ++t) sum += count(t, c);
    return sum;
}

double ConfusionMatrix::accuracy() const {
    std::size_t right = 0;
    for (std::size_t c = 0; c < classes_; ++c) right += count(c, c);
    return ratio(right, total());
}

Scores ConfusionMatrix::of_class(std::size_t c, Where where) const {
    const Called here(where);
    return Scores::of(count(c, c), column(c), row(c));
}

Scores ConfusionMatrix::micro(std::span<const std::size_t> left_out) const {
    std::size_t right = 0, predicted = 0, actual = 0;
    for (std::size_t c = 0; c < classes_; ++c) {
        if (holds(left_out, c)) continue;
        right += count(c, c);
        predicted += column(c);
        actual += row(c);
    }
    return Scores::of(right, predicted, actual);
}

Scores ConfusionMatrix::macro(std::span<const std::size_t> left_out) const {
    Scores sum;
    double occurring = 0;
    for (std::size_t c = 0; c < classes_; ++c) {
        if (holds(left_out, c) || row(c) + column(c) == 0) continue;
        const Scores s = of_class(c);
        sum.precision += s.precision;
        sum.recall += s.recall;
        sum.f1 += s.f1;
        ++occurring;
    }
    const double scale = occurring > 0 ? 1 / occurring : 0;
    return {scale * sum.precision, scale * sum.recall, scale * sum.f1};
}

Table ConfusionMatrix::table(std::span<const std::string> names, Where where) const {
    const Called here(where);
    if (names.size() != classes_)
        fail("ConfusionMatrix",
             std::to_string(names.size()) + " names for " + std::to_string(classes_) + " classes");
    Table table{{"target"}, {}};
    table.columns.insert(table.columns.end(), names.begin(), names.end());
    for (std::size_t t = 0; t < classes_; ++t) {
        table.rows.push_back({names[t]});
        for (std::size_t p = 0; p < classes_; ++p)
            table.rows.back().push_back(std::to_string(count(t, p)));
    }
    return table;
}

double accuracy(const Indices& targets, const Indices& predicted, std::int64_t ignored,
                Where where) {
    const Called here(where);
    check_shapes("accuracy", targets, predicted);
    const auto y = targets.to_vector(), p = predicted.to_vector();
    std::size_t right = 0, all = 0;
    for (std::size_t i = 0; i < y.size(); ++i) {
        all += y[i] != ignored;
        right += y[i] != ignored && y[i] == p[i];
    }
    return ratio(right, all);
}

double perplexity(double nats, std::size_t tokens, Where where) {
    const Called here(where);
    if (tokens == 0) fail("perplexity", "there are no tokens");
    return std::exp(nats / static_cast<double>(tokens));
}

double bits_per_character(double nats, std::size_t characters, Where where) {
    const Called here(where);
    if (characters == 0) fail("bits_per_character", "there are no characters");
    return nats / (std::log(2.0) * static_cast<double>(characters));
}

namespace {

template <class T, class F>
double mean_of(const char* owner, const Tensor<T>& targets, const Tensor<T>& predicted,
               const F& f) {
    check_shapes(owner, targets, predicted);
    if (targets.size() == 0) fail(owner, "there are no targets");
    const auto y = targets.to_vector(), p = predicted.to_vector();
    double sum = 0;
    for (std::size_t i = 0; i < y.size(); ++i)
        sum += f(static_cast<double>(y[i]), static_cast<double>(p[i]), i);
    return sum / static_cast<double>(y.size());
}

} // namespace

template <class T>
double root_mean_squared_error(const Tensor<T>& targets, const Tensor<T>& predicted, Where where) {
    const Called here(where);
    return std::sqrt(mean_of("root_mean_squared_error", targets, predicted,
                             [](double y, double p, std::size_t) { return (p - y) * (p - y); }));
}

template <class T>
double mean_absolute_error(const Tensor<T>& targets, const Tensor<T>& predicted, Where where) {
    const Called here(where);
    return mean_of("mean_absolute_error", targets, predicted,
                   [](double y, double p, std::size_t) { return std::abs(p - y); });
}

template <class T>
double correlation(const Tensor<T>& targets, const Tensor<T>& predicted, Where where) {
    const Called here(where);
    constexpr const char* owner = "correlation";
    const auto mean = [&](const auto& f) {
        return mean_of(owner, targets, predicted,
                       [&](double y, double p, std::size_t) { return f(y, p); });
    };
    const double y0 = mean([](double y, double) { return y; }),
                 p0 = mean([](double, double p) { return p; });
    const double yy = mean([&](double y, double) { return (y - y0) * (y - y0); }),
                 pp = mean([&](double, double p) { return (p - p0) * (p - p0); });
    const double yp = mean([&](double y, double p) { return (y - y0) * (p - p0); });
    return yy > 0 && pp > 0 ? yp / std::sqrt(yy * pp) : 0;
}

template <class T>
double mean_absolute_percentage_error(const Tensor<T>& targets, const Tensor<T>& predicted,
                                      Where where) {
    const Called here(where);
    constexpr const char* owner = "mean_absolute_percentage_error";
    return mean_of(owner, targets, predicted, [&](double y, double p, std::size_t i) {
        if (y == 0) fail(owner, "the target at position " + std::to_string(i) + " is 0");
        return std::abs((p - y) / y);
    });
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template double root_mean_squared_error(const Tensor<T>&, const Tensor<T>&, Where);            \
    template double mean_absolute_error(const Tensor<T>&, const Tensor<T>&, Where);                \
    template double correlation(const Tensor<T>&, const Tensor<T>&, Where);                        \
    template double mean_absolute_percentage_error(const Tensor<T>&, const Tensor<T>&, Where);

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll::nn
