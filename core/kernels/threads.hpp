#pragma once

#include <unroll/core/base/error.hpp>

#include <cstddef>

// Two ways to use several cores, never combined: whole shards of a batch in parallel, or pieces of
// one large operation. Work is split by shape and machine, never by the number of threads in use,
// so results are bitwise identical for any number of threads. Denormal numbers are flushed to zero
// on every thread that computes here (they can cost an LSTM more than ten times its time).
namespace unroll::threads {

// Threads to use; the machine's cores unless set. Throws Error for 0.
void set(std::size_t count, Where where = Where::current());
std::size_t count();

// Calls f(i) for i in [0, n), in any order and on any thread; operations within f are not split
// further. Rethrows the exception of the lowest i after all calls have ended.
template <class F>
void for_shards(std::size_t n, const F& f);

// The index of the shard that this thread is computing; 0 outside of shards.
std::size_t shard();

// Whether an operation with this number of floating-point operations is worth splitting in the
// current context.
bool worth_splitting(double operations);

// Calls f(begin, end) for pieces of [0, total), split at multiples of `align`. The same split
// always assigns a piece to the same thread, so that its data stay in that core's cache.
template <class F>
void for_pieces(std::size_t total, std::size_t align, const F& f);

// Keeps worker threads spinning for its scope, so that operations of about ten microseconds are
// worth splitting. Use it around a forward and backward pass. No effect inside a shard or a nested
// scope.
class ParallelRegion {
public:
    ParallelRegion();
    ~ParallelRegion();
    ParallelRegion(const ParallelRegion&) = delete;
    ParallelRegion& operator=(const ParallelRegion&) = delete;

private:
    bool active_ = false;
};

namespace detail {

// A reference to a callable.
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
