#pragma once

#include <unroll/core/base/error.hpp>
#include <unroll/core/files/file.hpp>
#include <unroll/core/tensor/dtype.hpp>
#include <unroll/core/tensor/tensor.hpp>

#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

namespace unroll {

// A tensor as stored in a file.
struct StoredTensor {
    std::string dtype; // "F32", ...
    std::vector<std::uint64_t> shape;
    Bytes bytes; // valid as long as the file
};

// A file in the safetensors format (https://github.com/huggingface/safetensors), read and validated
// completely: the tensors' bytes are within the file, do not overlap, leave no gaps, and match
// dtype and shape. Copies share the memory.
class SafetensorsFile {
public:
    // Throws Error naming the file and the reason.
    static SafetensorsFile read(const std::string& path, Where where = Where::current());

    const std::string& path() const { return path_; }
    const std::map<std::string, std::string>& metadata() const { return metadata_; }
    const std::map<std::string, StoredTensor>& tensors() const { return tensors_; }
    std::vector<std::string> names() const;
    bool contains(const std::string& name) const { return tensors_.contains(name); }
    // Throws Error if there is no tensor of that name.
    const StoredTensor& at(const std::string& name, Where where = Where::current()) const;

    // A copy converted to T: float, double, std::int64_t or bool. F16, BF16 and F32 are widened;
    // integers are converted if all values are representable. Throws Error for any other
    // conversion, for F64 to float unless `narrowing` allows rounding, and for more than 8
    // dimensions.
    template <class T = float>
    Tensor<T> get(const std::string& name, Narrowing narrowing = Narrowing::refuse,
                  Where where = Where::current()) const;

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

// Writes through write_file_atomically. The same tensors and metadata give the same bytes. Tensors
// are sorted by element size, 8 bytes first, so that each is aligned, then by name. Throws Error
// for a name that is repeated, reserved (__metadata__) or not UTF-8.
void write_safetensors(const std::string& path, std::vector<NamedTensor> tensors,
                       const std::map<std::string, std::string>& metadata = {},
                       Where where = Where::current());

} // namespace unroll
