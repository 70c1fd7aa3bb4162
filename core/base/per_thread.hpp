#pragma once

#include <utility>

namespace unroll {

// One T for each thread. The destructor of an object of static lifetime may still use it, although
// objects of the thread are gone by then: it is made again, and stays.
template <class T>
T& per_thread() {
    thread_local constinit T* mine = nullptr;
    if (mine == nullptr) [[unlikely]] {
        struct Owner {
            ~Owner() { delete std::exchange(mine, nullptr); }
        };
        mine = new T;
        thread_local Owner owner;
        static_cast<void>(owner);
    }
    return *mine;
}

} // namespace unroll
