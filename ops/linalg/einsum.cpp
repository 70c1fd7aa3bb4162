#include <unroll/ops/linalg/einsum.hpp>
#include <unroll/ops/matrix.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/rearrange/diagonal.hpp>
#include <unroll/ops/reduce.hpp>
#include <unroll/ops/views.hpp>

#include <algorithm>
#include <map>
#include <string>

namespace unroll {

namespace {

bool has(const std::string& letters, char c) { return letters.find(c) != std::string::npos; }

// The letters of each operand and of the result.
struct Subscripts {
    std::vector<std::string> operands;
    std::string result;

    Subscripts(const Op& op, std::string_view text) {
        const auto invalid = [&](const std::string& why) {
            fail(op, why + " in \"" + std::string(text) + "\"");
        };
        bool has_arrow = false;
        std::string all;
        operands.emplace_back();
        for (std::size_t i = 0; i < text.size(); ++i) {
            const char c = text[i];
            const bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
            if (c == ' ') continue;
            if (text.substr(i, 3) == "...") invalid("an ellipsis is not supported");
            if (text.substr(i, 2) == "->" && !has_arrow) {
                has_arrow = true;
                ++i;
            } else if (c == ',' && !has_arrow) {
                operands.emplace_back();
            } else if (!is_letter) {
                invalid(std::string("'") + c + "' is unexpected");
            } else if (has_arrow) {
                if (has(result, c))
                    invalid(std::string("the result has subscript '") + c + "' twice");
                if (!has(all, c))
                    invalid(std::string("no operand has subscript '") + c + "' of the result");
                result += c;
            } else {
                operands.back() += c;
                all += c;
            }
        }
        if (has_arrow) return;
        std::sort(all.begin(), all.end());
        for (const char c : all)
            if (std::count(all.begin(), all.end(), c) == 1) result += c;
    }
};

// A value with a letter for each axis.
template <class T>
struct Labelled {
    Variable<T> x;
    std::string letters;

    std::size_t extent(char c) const { return x.shape(letters.find(c)); }

    // Repeated letters become one: the diagonal.
    void take_diagonals() {
        for (std::size_t i = 0; i < letters.size();) {
            const char c = letters[i];
            const std::size_t again = letters.find(c, i + 1);
            if (again == std::string::npos) {
                ++i;
                continue;
            }
            x = diagonal(x, 0, static_cast<std::ptrdiff_t>(i), static_cast<std::ptrdiff_t>(again));
            letters.erase(again, 1);
            letters.erase(i, 1);
            letters += c;
        }
    }
    // Sums over the letters that `kept` lacks.
    void sum_to(const std::string& kept) {
        for (std::size_t i = letters.size(); i-- > 0;) {
            if (has(kept, letters[i])) continue;
            x = sum(x, {static_cast<std::ptrdiff_t>(i)});
            letters.erase(i, 1);
        }
    }
    // The axes in the given order, which is a permutation of the letters.
    Variable<T> ordered(const std::string& wanted) const {
        if (wanted == letters) return x;
        Shape order;
        for (const char c : wanted) order.push_back(letters.find(c));
        return record_view("transpose", x, x.value().transpose({order.begin(), order.size()}));
    }
    Shape extents(const std::string& of) const {
        Shape shape;
        for (const char c : of) shape.push_back(extent(c));
        return shape;
    }
};

// The product of two operands, summed over the letters that `kept` lacks.
template <class T>
Labelled<T> contracted(const Op& op, Labelled<T> a, Labelled<T> b, const std::string& kept) {
    a.sum_to(kept + b.letters);
    b.sum_to(kept + a.letters);
    std::string batch, rows, inner, columns;
    for (const char c : a.letters) {
        if (!has(b.letters, c))
            rows += c;
        else if (has(kept, c))
            batch += c;
        else
            inner += c;
    }
    for (const char c : b.letters)
        if (!has(a.letters, c)) columns += c;
    if (batch.size() + rows.size() + columns.size() > max_rank)
        fail(op, "the product of two operands has subscripts \"" + batch + rows + columns +
                     "\"; a tensor has at most " + std::to_string(max_rank) + " axes");
    const Shape batches = a.extents(batch), of_rows = a.extents(rows),
                of_columns = b.extents(columns);
    const std::size_t n = element_count(batches), m = element_count(of_rows),
                      k = element_count(a.extents(inner)), l = element_count(of_columns);
    const Variable<T> left = reshape(a.ordered(batch + rows + inner), Shape{n, m, k}),
                      right = reshape(b.ordered(batch + inner + columns), Shape{n, k, l});
    Shape shape = batches;
    for (const std::size_t extent : of_rows) shape.push_back(extent);
    for (const std::size_t extent : of_columns) shape.push_back(extent);
    const Variable<T> product = inner.empty() ? left * right
                                : batch.empty()
                                    ? matmul(select(left, 0, 0), select(right, 0, 0), op)
                                    : matmul(left, right, op);
    return {reshape(product, shape), batch + rows + columns};
}

template <class T>
void check(const Op& op, const Subscripts& subscripts, std::span<const Variable<T>> operands) {
    if (subscripts.operands.size() != operands.size())
        fail(op, "subscripts for " + std::to_string(subscripts.operands.size()) +
                     " operands, but there are " + std::to_string(operands.size()));
    std::map<char, std::size_t> extents;
    for (std::size_t i = 0; i < operands.size(); ++i) {
        const std::string& letters = subscripts.operands[i];
        const Shape& shape = operands[i].shape();
        if (letters.size() != shape.size())
            fail(op, "subscripts \"" + letters + "\" for operand " + std::to_string(i) +
                         " of shape " + to_string(shape) + "; expected one for each axis");
        for (std::size_t a = 0; a < shape.size(); ++a) {
            const auto [found, is_new] = extents.emplace(letters[a], shape[a]);
            if (found->second != shape[a])
                fail(op, std::string("subscript '") + letters[a] + "' has extent " +
                             std::to_string(shape[a]) + " in operand " + std::to_string(i) +
                             " of shape " + to_string(shape) + ", but " +
                             std::to_string(found->second) + " before");
        }
    }
}

} // namespace

template <class T>
Variable<T> einsum(std::string_view text, std::span<const Variable<T>> operands, Op op) {
    const Subscripts subscripts(op, text);
    for (const auto& x : operands) x.require_value(op);
    check(op, subscripts, operands);
    const Composite composite(op);
    Labelled<T> product;
    for (std::size_t i = 0; i < operands.size(); ++i) {
        Labelled<T> next{operands[i], subscripts.operands[i]};
        next.take_diagonals();
        // Letters that are needed afterwards.
        std::string kept = subscripts.result;
        for (std::size_t j = i + 1; j < operands.size(); ++j) kept += subscripts.operands[j];
        if (i == 0) {
            product = next;
            product.sum_to(kept);
        } else {
            product = contracted(op, product, next, kept);
        }
    }
    return product.ordered(subscripts.result);
}

template <class T>
Variable<T> outer(const Variable<T>& a, const std::type_identity_t<Variable<T>>& b, Op op) {
    a.require_value(op);
    b.require_value(op);
    const Composite composite(op);
    return reshape(a, Shape{a.size(), 1}) * reshape(b, Shape{1, b.size()});
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template Variable<T> einsum(std::string_view, std::span<const Variable<T>>, Op);               \
    template Variable<T> outer(const Variable<T>&, const Variable<T>&, Op);

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll
