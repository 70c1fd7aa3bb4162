#pragma once

#include <cstddef>

// Two ways to use several cores, never both at once: whole shards of a batch side by side, or
// pieces of one large operation. Work is cut by shape and by the machine, never by the number of
// threads in use, so results are the same bits for any number of them. Denormal numbers are flushed
// to zero on every thread that computes here (they can cost an LSTM more than ten times its time).
namespace unroll::threads {

// Threads to use; the machine's cores unless set. Throws Error for 0.
void set(std::size_t count);
std::size_t count();

// Calls f(i) for i in [0, n), in any order and on any thread; what f does is not cut further. The
// exception of the lowest i is rethrown when all have ended.
template <class F>
void for_shards(std::size_t n, const F& f);

// The number of the shard that this thread is working on; 0 outside of any.
std::size_t shard();

// Whether an operation of so many floating-point operations is worth cutting into pieces, here.
bool worth_splitting(double operations);

// Calls f(begin, end) for pieces of [0, total) cut at multiples of `align`. A piece of the same
// size goes to the same thread every time, so that what it reads stays in that core's cache.
template <class F>
void for_pieces(std::size_t total, std::size_t align, const F& f);

// While a team lives, worker threads wait for pieces without going to sleep, so that an operation
// of some ten microseconds is worth cutting. Put it around a forward and backward pass. Inside a
// shard, or inside another team, it does nothing.
class Team {
public:
    Team();
    ~Team();
    Team(const Team&) = delete;
    Team& operator=(const Team&) = delete;

private:
    bool active_ = false;
};

namespace detail {

// A reference to something that can be called.
template <class... A>
class Call {
public:
    template <class F>
    Call(const F& f)
        : object_(&f),
          call_([](const void* object, A... a) { (*static_cast<const F*>(object))(a...); }) {}
    void operator()(A... a) const { call_(object_, a...); }

private:
    const void* object_;
    void (*call_)(const void*, A...);
};

void for_shards(std::size_t n, Call<std::size_t> f);
void for_pieces(std::size_t total, std::size_t align, Call<std::size_t, std::size_t> f);

} // namespace detail

template <class F>
void for_shards(std::size_t n, const F& f) {
    detail::for_shards(n, detail::Call<std::size_t>(f));
}

template <class F>
void for_pieces(std::size_t total, std::size_t align, const F& f) {
    detail::for_pieces(total, align, detail::Call<std::size_t, std::size_t>(f));
}

} // namespace unroll::threads
