#pragma once

#include <utility>

namespace unroll {

// One T per thread, which destructors of objects with static lifetime may still use: it is then
// constructed again after the thread-local objects were destroyed, and not freed.
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
