#include <unroll/core/base/scope.hpp>
#include <unroll/core/files/idx.hpp>
#include <unroll/core/files/mnist.hpp>

#include <filesystem>

#include <fmt/format.h>

namespace unroll {

Mnist read_mnist(const std::string& folder, const std::string& prefix, Where where) {
    const Called here(where);
    constexpr const char* name = "read_mnist";
    const auto path_of = [&](const std::string& what) {
        const std::string plain = folder + "/" + prefix + what;
        return std::filesystem::exists(plain) ? plain : plain + ".gz";
    };
    const std::string image_path = path_of("-images-idx3-ubyte"),
                      label_path = path_of("-labels-idx1-ubyte");
    Idx images = read_idx(image_path, 3);
    const Idx labels = read_idx(label_path, 1);
    if (images.shape[1] != Mnist::side || images.shape[2] != Mnist::side)
        fail(name, fmt::format("expected images of {0} by {0} in '{1}', got {2} by {3}",
                               Mnist::side, image_path, images.shape[1], images.shape[2]));
    if (images.size() != labels.size())
        fail(name, fmt::format("'{}' has {} images, but '{}' has {} labels", image_path,
                               images.size(), label_path, labels.size()));
    for (std::size_t i = 0; i < labels.size(); ++i)
        if (labels.bytes[i] >= Mnist::classes)
            fail(name, fmt::format("label {} of '{}' is {}; expected 0 to {}", i, label_path,
                                   labels.bytes[i], Mnist::classes - 1));
    return {std::move(images.bytes), {labels.bytes.begin(), labels.bytes.end()}};
}

} // namespace unroll
