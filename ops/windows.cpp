#include <unroll/ops/windows.hpp>

#include <string>

namespace unroll::detail {

namespace {

// Small enough that sums of these values cannot overflow.
constexpr std::size_t most = 1'000'000;

std::size_t count(const Op& op, const char* along, std::size_t image, std::size_t kernel,
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
    const std::size_t extent = dilation * (kernel - 1) + 1, padded = image + 2 * padding;
    if (extent > padded)
        fail(op, described("the extent of the dilated kernel", extent) +
                     ", but that of the padded input is " + std::to_string(padded));
    return (padded - extent) / stride + 1;
}

} // namespace

Windows::Windows(const Op& op, HeightWidth image, HeightWidth kernel, HeightWidth stride,
                 HeightWidth padding, HeightWidth dilation)
    : image(image), kernel(kernel), stride(stride), padding(padding), dilation(dilation) {
    out = {
        count(op, "height", image.height, kernel.height, stride.height, padding.height,
              dilation.height),
        count(op, "width", image.width, kernel.width, stride.width, padding.width, dilation.width)};
}

} // namespace unroll::detail
