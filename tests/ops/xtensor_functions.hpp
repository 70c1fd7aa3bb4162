// Functions as an xtensor user writes them. Included twice by xt.cpp, with `xt` as xtensor and as
// unroll::xt.

using Array = xt::xarray<double>; // x is [4, 6]

inline Array several_ranges(const Array& x) {
    return xt::view(x, xt::range(1, 3), xt::range(0, 4)) * 2.0;
}
inline Array negative_ends(const Array& x) {
    using namespace xt::placeholders;
    return xt::view(x, xt::range(-3, _), xt::range(1, -1));
}
inline Array steps(const Array& x) {
    using namespace xt::placeholders;
    return xt::view(x, xt::range(_, _, 2), xt::range(1, 6, 3)) + 1.0;
}
inline Array backwards(const Array& x) {
    using namespace xt::placeholders;
    return xt::view(x, xt::all(), xt::range(_, _, -1)) * x;
}
inline Array backwards_by_two(const Array& x) {
    return xt::view(x, xt::range(3, 0, -2), xt::range(4, 1, -1));
}
inline Array rows_and_columns(const Array& x) {
    return xt::row(x, 1) - xt::view(x, -1, xt::all()) * xt::view(x, 0);
}
inline Array outer_difference(const Array& x) {
    return xt::view(x, 0, xt::all(), xt::newaxis()) - xt::view(x, 1, xt::newaxis(), xt::all());
}
inline Array rest_of_axes(const Array& x) {
    return xt::view(x, xt::range(2, 4)) + xt::col(x, 0)(1);
}
inline Array element(const Array& x) {
    Array y = xt::view(x, xt::all(), xt::range(0, 2));
    Array both = y(2, 1) * x * x(0, 3);
    return both;
}
inline Array joined(const Array& x) {
    Array left = xt::view(x, xt::all(), xt::range(0, 2)), right = xt::view(x, xt::all(), 5);
    Array both = xt::concatenate(xt::xtuple(xt::sin(left), xt::exp(-left)), 1);
    Array stacked = xt::stack(xt::xtuple(right, xt::square(right)), 0);
    return both + xt::transpose(stacked)(1, 0);
}
inline Array sums(const Array& x) {
    return xt::sum(x, {1}) * xt::mean(x, 1) - xt::amax(x, {1}) + xt::amin(x, 1);
}
inline Array kept(const Array& x) { // evaluated separately: xtensor gives wrong results if they are
                                    // broadcast lazily
    Array of_rows = xt::sum(xt::exp(x), {1}, xt::keep_dims);
    Array of_columns = xt::mean(x, {0}, xt::keep_dims), of_all = xt::sum(x, {0, 1}, xt::keep_dims);
    return xt::exp(x) / of_rows + of_columns * of_all;
}
inline Array norms(const Array& x) {
    Array l2 = xt::norm_l2(x, {1}), l1 = xt::norm_l1(x, {1}), squares = xt::norm_sq(x, {1});
    return (l2 + l1 * squares) * xt::norm_l2(x)() + xt::norm_sq(x)() - xt::norm_l1(x)();
}
inline Array pieces(const Array& x) {
    return xt::where(x > 0.2 && !(x > 1.0), xt::pow<3>(x), xt::clip(xt::cube(x), -0.5, 0.5)) +
           xt::where(x < -1.0 || x > 1.0, x, xt::numeric_constants<double>::PI * x);
}
inline Array products(const Array& x) {
    Array y = xt::linalg::dot(x, xt::transpose(x)) + xt::linalg::dot(x, xt::row(x, 0))(2);
    return y / xt::linalg::norm(x) + xt::linalg::outer(xt::col(x, 0), xt::col(x, 1));
}
inline Array constants(const Array& x) {
    return xt::ones<double>({4, 1}) * x + xt::ones_like(x) - xt::full_like(x, 3.0) +
           xt::zeros<double>({6}) + xt::broadcast(xt::row(x, 0), {4, 6});
}
inline Array ranges(const Array& x) {
    return x * xt::arange<double>(6) +
           xt::arange<double>(1, 4, 0.5) * xt::linspace<double>(0, 1, 6) +
           xt::linalg::dot(xt::eye<double>(4), x);
}
inline Array chosen(const Array& x) {
    Array large = xt::filter(x, x > 0.2);
    return large * xt::sum(large)();
}
inline Array halves(const Array& x) {
    auto both = xt::split(x, 2, 1);
    return both[0] * both[1] - both[0];
}
inline Array stacks(const Array& x) {
    Array above = xt::vstack(xt::xtuple(x, xt::square(x))), beside = xt::hstack(xt::xtuple(x, x));
    Array products = xt::linalg::dot(above, xt::transpose(x));
    return xt::linalg::dot(products, beside);
}
inline Array flattened(const Array& x) {
    Array row = xt::expand_dims(x, 0);
    return xt::ravel(x) + xt::flatten(xt::squeeze(row));
}
inline Array running(const Array& x) {
    return xt::cumsum(x, 1) * xt::cumprod(x, 0) - xt::sort(x, 0);
}
inline Array rolled(const Array& x) {
    Array lower = xt::tril(x), upper = xt::triu(x, 1), turned = xt::roll(x, 2, 1);
    Array twice = xt::repeat(x, 2, 1);
    return lower * turned - upper + xt::view(twice, xt::all(), xt::range(3, 9));
}
inline Array diagonals(const Array& x) {
    Array of_x = xt::diagonal(x, 1);
    return xt::diag(of_x) + xt::linalg::dot(x, xt::transpose(x));
}
inline Array middles(const Array& x) {
    Array products = xt::prod(x, {1}), largest = xt::norm_linf(x, {1});
    return products + largest * xt::prod(x)() + xt::norm_linf(x)();
}
inline Array solved(const Array& x) {
    Array square = xt::linalg::dot(x, xt::transpose(x)) + 2.0 * xt::eye<double>(4);
    Array lower = xt::linalg::cholesky(square);
    return xt::linalg::dot(xt::linalg::inv(square), xt::linalg::solve(square, x)) +
           xt::linalg::dot(lower, x);
}
