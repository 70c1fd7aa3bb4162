#include <unroll/ops/windows.hpp>

#include <string>

namespace unroll::detail {

namespace {

// Small enough that sums of these numbers cannot overflow.
constexpr std::size_t most = 1'000'000;

std::size_t count(const Op& op, const char* along, std::size_t picture, std::size_t kernel,
                  std::size_t stride, std::size_t padding, std::size_t dilation) {
    const auto described = [&](const char* what, std::size_t n) {
        return std::string(what) + " along the " + along + " is " + std::to_string(n);
    };
    const auto require = [&](const char* what, std::size_t n, std::size_t least) {
        if (n < least || n > most)
            fail(op, described(what, n) + "; expected " + std::to_string(least) + " to " +
                         std::to_string(most));
    };
    require("the kernel", kernel, 1);
    require("the stride", stride, 1);
    require("the padding", padding, 0);
    require("the dilation", dilation, 1);
    const std::size_t reach = dilation * (kernel - 1) + 1, padded = picture + 2 * padding;
    if (reach > padded)
        fail(op, described("the reach of the kernel", reach) + ", that of the padded picture " +
                     std::to_string(padded));
    return (padded - reach) / stride + 1;
}

} // namespace

Windows::Windows(const Op& op, HeightWidth picture, HeightWidth kernel, HeightWidth stride,
                 HeightWidth padding, HeightWidth dilation)
    : picture(picture), kernel(kernel), stride(stride), padding(padding), dilation(dilation) {
    out = {count(op, "height", picture.height, kernel.height, stride.height, padding.height,
                 dilation.height),
           count(op, "width", picture.width, kernel.width, stride.width, padding.width,
                 dilation.width)};
}

} // namespace unroll::detail
