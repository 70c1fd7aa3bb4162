#include <unroll/core/kernels/panels.hpp>
#include <unroll/core/kernels/weights.hpp>

#include <atomic>
#include <memory>
#include <mutex>

namespace unroll::weights {

namespace {

// A packed view of a weight.
struct Copy {
    const void* data;
    Shape shape;
    Strides strides;
    StorageRef memory;
    std::atomic<std::uint64_t> version{~std::uint64_t{0}}; // of the elements when packed
    std::unique_ptr<Copy> next;

    template <class T>
    bool is_of(const Tensor<T>& matrix) const {
        return data == matrix.data() && shape == matrix.shape() && strides == matrix.strides();
    }
};

// The packed copies owned by the storage of a weight. Threads that multiply by the same weight
// concurrently read the list without a lock.
struct Weight {
    static constexpr int most_copies = 8; // one per view

    StorageRef elements;
    std::mutex mutex; // held while packing
    std::atomic<Copy*> first{nullptr};
    std::unique_ptr<Copy> copies;

    static void release(void* weight) { delete static_cast<Weight*>(weight); }

    template <class T>
    Copy* find(const Tensor<T>& matrix, int& count) const {
        Copy* copy = first.load(std::memory_order_acquire);
        for (count = 0; copy != nullptr && !copy->is_of(matrix); copy = copy->next.get()) ++count;
        return copy;
    }

    template <class T>
    const Copy* pack(const Tensor<T>& matrix, bool transposed, std::size_t ld,
                     std::uint64_t version) {
        const std::lock_guard lock(mutex);
        int count = 0;
        Copy* copy = find(matrix, count);
        const std::size_t k = matrix.shape(0), n = matrix.shape(1);
        if (copy == nullptr) {
            if (count == most_copies) return nullptr;
            auto made = std::make_unique<Copy>();
            made->data = matrix.data();
            made->shape = matrix.shape();
            made->strides = matrix.strides();
            made->memory = StorageRef(Storage::allocate(panels::packed_size(k, n) * sizeof(T)));
            made->next = std::move(copies);
            copies = std::move(made);
            copy = copies.get();
            first.store(copy, std::memory_order_release);
        }
        if (copy->version.load(std::memory_order_relaxed) == version) return copy;
        panels::pack(matrix.data(), ld, transposed, k, n, static_cast<T*>(copy->memory->data()));
        copy->version.store(version, std::memory_order_release);
        return copy;
    }
};

} // namespace

template <class T>
void keep_packed(Tensor<T>& value) {
    if (!panels::available() || value.dimension() < 2 || value.size() == 0 ||
        value.storage()->references() != 1)
        return;
    auto weight = std::make_unique<Weight>();
    weight->elements = value.storage();
    T* const data = const_cast<T*>(std::as_const(value).data());
    StorageRef storage(Storage::adopt(data, weight.get(), Weight::release));
    weight.release();
    value = Tensor<T>(std::move(storage), data, value.shape(), value.strides());
}

template <class T>
const T* packed(const Tensor<T>& matrix, bool transposed, std::size_t ld) {
    Storage* const storage = matrix.storage().get();
    auto* const weight =
        storage != nullptr ? static_cast<Weight*>(storage->owner(Weight::release)) : nullptr;
    if (weight == nullptr || storage->is_lent()) return nullptr;
    const std::uint64_t version = storage->version();
    int count = 0;
    const Copy* copy = weight->find(matrix, count);
    if (copy == nullptr || copy->version.load(std::memory_order_acquire) != version)
        copy = weight->pack(matrix, transposed, ld, version);
    return copy != nullptr ? static_cast<const T*>(copy->memory->data()) : nullptr;
}

template void keep_packed(Tensor<float>&);
template void keep_packed(Tensor<double>&);
template const float* packed(const Tensor<float>&, bool, std::size_t);
template const double* packed(const Tensor<double>&, bool, std::size_t);

} // namespace unroll::weights
