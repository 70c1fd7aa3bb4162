#pragma once

#include <unroll/core/files/file.hpp>
#include <unroll/core/tensor/dtype.hpp>
#include <unroll/core/tensor/tensor.hpp>

#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

namespace unroll {

// A tensor in a file of named tensors, as it lies there.
struct StoredTensor {
    std::string dtype; // "F32", ...
    std::vector<std::uint64_t> shape;
    Bytes bytes; // as long as the file that it came from
};

// A file in the safetensors format (https://github.com/huggingface/safetensors), read whole and
// checked whole: every tensor's bytes lie inside the file, share none with another's, leave no gap
// and are as many as dtype and shape say. Copies share the memory.
class SafetensorsFile {
public:
    // Throws Error naming the file and the reason.
    static SafetensorsFile read(const std::string& path);

    const std::string& path() const { return path_; }
    const std::map<std::string, std::string>& metadata() const { return metadata_; }
    const std::map<std::string, StoredTensor>& tensors() const { return tensors_; }
    std::vector<std::string> names() const;
    bool contains(const std::string& name) const { return tensors_.contains(name); }
    // Throws Error when there is none of that name.
    const StoredTensor& at(const std::string& name) const;

    // A copy of the numbers as T: float, double, std::int64_t or bool. F16, BF16 and F32 widen,
    // integers go where each keeps its value; anything else throws Error, F64 to float unless
    // `narrowing` allows rounding. So do more than 8 dimensions.
    template <class T>
    Tensor<T> get(const std::string& name, Narrowing narrowing = Narrowing::refuse) const;

private:
    std::string path_;
    std::shared_ptr<const std::vector<std::byte>> file_;
    std::map<std::string, std::string> metadata_;
    std::map<std::string, StoredTensor> tensors_;
};

struct NamedTensor {
    std::string name;
    std::variant<Tensor<float>, Tensor<double>, Indices, Mask> tensor;
};

// Writes through write_file_atomically. The same tensors and metadata give the same bytes: types of
// 8 bytes come first, then 4, then 1, so that each tensor is aligned, and by name among themselves.
// Throws Error for a name that stands twice, is reserved (__metadata__) or is not UTF-8.
void write_safetensors(const std::string& path, std::vector<NamedTensor> tensors,
                       const std::map<std::string, std::string>& metadata = {});

} // namespace unroll
