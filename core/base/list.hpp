#pragma once

#include <utility>
#include <vector>

namespace unroll {

// A vector that keeps its elements on self-move, so that modules that contain one do so, too. A
// moved-from list is empty.
template <class T>
struct List : std::vector<T> {
    using std::vector<T>::vector;
    List() = default;
    List(std::vector<T> elements) : std::vector<T>(std::move(elements)) {}
    List(const List&) = default;
    List(List&&) noexcept = default;
    List& operator=(const List&) = default;
    List& operator=(List&& other) noexcept {
        if (this != &other) std::vector<T>::operator=(std::move(other));
        return *this;
    }
};

} // namespace unroll
