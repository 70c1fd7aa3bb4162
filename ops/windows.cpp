#include <unroll/ops/windows.hpp>

#include <string>

namespace unroll::detail {

namespace {

struct Along {
    const Op& op;
    const char* axis;
    std::size_t kernel, stride, padding, dilation;

    // The extent of the dilated kernel.
    std::size_t extent() const { return dilation * (kernel - 1) + 1; }

    std::string described(const char* what, std::size_t n) const {
        return std::string(what) + " along the " + axis + " is " + std::to_string(n);
    }
    void require(const char* what, std::size_t n, std::size_t least) const {
        if (n < least || n > most_pixels)
            fail(op, described(what, n) + "; expected " + std::to_string(least) + " to " +
                         std::to_string(most_pixels));
    }
    void require_limits() const {
        require("the kernel", kernel, 1);
        require("the stride", stride, 1);
        require("the padding", padding, 0);
        require("the dilation", dilation, 1);
    }

    std::size_t count(std::size_t image) const {
        require_limits();
        const std::size_t padded = image + 2 * padding;
        if (extent() > padded)
            fail(op, described("the extent of the dilated kernel", extent()) +
                         ", but that of the padded input is " + std::to_string(padded));
        return (padded - extent()) / stride + 1;
    }

    std::size_t image(std::size_t out, std::size_t output_padding) const {
        require_limits();
        if (output_padding >= stride)
            fail(op, described("the output padding", output_padding) +
                         "; expected less than the stride, " + std::to_string(stride));
        if (out == 0) fail(op, std::string("the input is empty along the ") + axis);
        const std::size_t whole = stride * (out - 1) + extent() + output_padding;
        if (whole <= 2 * padding)
            fail(op, described("the padding", padding) +
                         "; twice that must be less than the extent of the result without it, " +
                         std::to_string(whole));
        return whole - 2 * padding;
    }
};

} // namespace

Windows::Windows(const Op& op, HeightWidth image, HeightWidth kernel, HeightWidth stride,
                 HeightWidth padding, HeightWidth dilation)
    : image(image), kernel(kernel), stride(stride), padding(padding), dilation(dilation) {
    const Along down{op, "height", kernel.height, stride.height, padding.height, dilation.height};
    const Along across{op, "width", kernel.width, stride.width, padding.width, dilation.width};
    out = {down.count(image.height), across.count(image.width)};
}

Windows Windows::transposed(const Op& op, HeightWidth out, HeightWidth kernel, HeightWidth stride,
                            HeightWidth padding, HeightWidth output_padding, HeightWidth dilation) {
    const Along down{op, "height", kernel.height, stride.height, padding.height, dilation.height};
    const Along across{op, "width", kernel.width, stride.width, padding.width, dilation.width};
    const HeightWidth image{down.image(out.height, output_padding.height),
                            across.image(out.width, output_padding.width)};
    return {op, image, kernel, stride, padding, dilation};
}

} // namespace unroll::detail
