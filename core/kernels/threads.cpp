#include <unroll/core/base/error.hpp>
#include <unroll/core/kernels/threads.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>

#include <oneapi/tbb.h>

#if defined(__SSE2__)
#include <pmmintrin.h>
#include <xmmintrin.h>
#endif

namespace unroll::threads {

namespace {

constexpr std::size_t most_pieces = 64;

std::size_t cores() {
    static const std::size_t n =
        std::clamp<std::size_t>(std::thread::hardware_concurrency(), 1, most_pieces);
    return n;
}

std::atomic<std::size_t> requested{0};

void flush_denormals() {
#if defined(__SSE2__)
    _MM_SET_FLUSH_ZERO_MODE(_MM_FLUSH_ZERO_ON);
    _MM_SET_DENORMALS_ZERO_MODE(_MM_DENORMALS_ZERO_ON);
#endif
}

class FlushOnEntry : public tbb::task_scheduler_observer {
public:
    explicit FlushOnEntry(tbb::task_arena& arena) : tbb::task_scheduler_observer(arena) {
        observe(true);
    }
    void on_scheduler_entry(bool) override { flush_denormals(); }
};

struct Workers {
    explicit Workers(std::size_t n)
        : more_than_cores(tbb::global_control::max_allowed_parallelism, std::max(n, cores())),
          arena(static_cast<int>(n)), flush(arena) {}
    tbb::global_control more_than_cores;
    tbb::task_arena arena;
    FlushOnEntry flush;
};

std::mutex workers_mutex;
std::shared_ptr<Workers> workers_now;

std::shared_ptr<Workers> workers() {
    const std::lock_guard lock(workers_mutex);
    if (!workers_now) workers_now = std::make_shared<Workers>(count());
    return workers_now;
}

// A happens-before marker: writes before give() are visible after a later take(). TBB already
// orders its tasks this way, but race detectors do not instrument it.
class HappensBefore {
public:
    void give() { count_.fetch_add(1, std::memory_order_release); }
    void take() const { (void)count_.load(std::memory_order_acquire); }

private:
    std::atomic<std::size_t> count_{0};
};

HappensBefore to_workers;

thread_local bool in_shard = false;
thread_local std::size_t shard_number = 0;

struct InShard {
    bool before = std::exchange(in_shard, true);
    ~InShard() { in_shard = before; }
};

// Task slots for the pieces of one operation. The caller runs piece 0; piece p is offered to worker
// p. A piece is claimed by exchanging its state, so that the caller can take back a piece that a
// late worker has not started.
struct TaskSlots {
    enum State : int { none, offered, claimed, done };
    struct alignas(64) Slot {
        std::atomic<int> state{none};
        std::size_t begin = 0, end = 0;
        const detail::Call<std::size_t, std::size_t>* work = nullptr;
        std::exception_ptr error;
    };
    std::array<Slot, most_pieces> slots;
    std::atomic<bool> closed{false};
    std::atomic<int> inside{0};

    static void run(Slot& slot) {
        try {
            (*slot.work)(slot.begin, slot.end);
        } catch (...) {
            slot.error = std::current_exception();
        }
        slot.state.store(done, std::memory_order_release);
    }
    static bool claim(Slot& slot) {
        int expected = offered;
        return slot.state.compare_exchange_strong(expected, claimed, std::memory_order_acquire);
    }

    void serve(std::size_t worker) {
        const InShard nothing_is_cut_again;
        to_workers.take();
        flush_denormals();
        Slot& slot = slots[worker];
        for (std::size_t idle = 0; !closed.load(std::memory_order_acquire);) {
            if (slot.state.load(std::memory_order_relaxed) == offered && claim(slot)) {
                run(slot);
                idle = 0;
            } else if (++idle < 4000) {
#if defined(__SSE2__)
                _mm_pause();
#endif
            } else {
                std::this_thread::yield();
            }
        }
        inside.fetch_sub(1, std::memory_order_release);
    }
};

thread_local TaskSlots* task_slots = nullptr;
thread_local std::shared_ptr<Workers> region_workers;
std::atomic<bool> region_is_open{false};

struct Cut {
    std::size_t total, align, pieces;
    std::size_t at(std::size_t piece) const {
        const std::size_t units = (total + align - 1) / align;
        return std::min(total, units * piece / pieces * align);
    }
};

void on_task_slots(const Cut& cut, const detail::Call<std::size_t, std::size_t>& f) {
    std::array<TaskSlots::Slot, most_pieces>& slots = task_slots->slots;
    for (std::size_t p = 1; p < cut.pieces; ++p) {
        slots[p].begin = cut.at(p);
        slots[p].end = cut.at(p + 1);
        slots[p].work = &f;
        slots[p].state.store(TaskSlots::offered, std::memory_order_release);
    }
    std::exception_ptr error;
    {
        const InShard nothing_is_cut_again;
        try {
            f(0, cut.at(1));
        } catch (...) {
            error = std::current_exception();
        }
        for (std::size_t p = 1; p < cut.pieces; ++p) {
            // Do not wait more than a few microseconds for a worker to claim its piece.
            for (int spin = 0; slots[p].state.load(std::memory_order_acquire) != TaskSlots::done;
                 ++spin) {
                if (spin >= 200 && TaskSlots::claim(slots[p])) TaskSlots::run(slots[p]);
#if defined(__SSE2__)
                _mm_pause();
#endif
            }
        }
    }
    for (std::size_t p = 1; p < cut.pieces; ++p) {
        if (!error) error = slots[p].error;
        slots[p].error = nullptr;
        slots[p].state.store(TaskSlots::none, std::memory_order_relaxed);
    }
    if (error) std::rethrow_exception(error);
}

} // namespace

void set(std::size_t n, Where where) {
    if (n == 0) fail(Op("threads::set", where), "at least one thread is needed, got 0");
    const std::lock_guard lock(workers_mutex);
    requested = n;
    workers_now.reset();
}

std::size_t count() { return requested != 0 ? requested.load() : cores(); }

bool worth_splitting(double operations) {
    if (in_shard || cores() == 1 || count() == 1) return false;
    return operations >= (task_slots != nullptr ? 2e5 : 4e6);
}

std::size_t shard() { return shard_number; }

ParallelRegion::ParallelRegion() {
    flush_denormals();
    if (in_shard || task_slots != nullptr || count() == 1 || cores() == 1) return;
    if (region_is_open.exchange(true)) return;
    active_ = true;
    task_slots = new TaskSlots;
    region_workers = workers();
    TaskSlots* const shared = task_slots;
    const std::size_t helpers = std::min(count(), cores());
    shared->inside = static_cast<int>(helpers) - 1;
    to_workers.give();
    for (std::size_t w = 1; w < helpers; ++w)
        region_workers->arena.enqueue([shared, w] { shared->serve(w); });
}

ParallelRegion::~ParallelRegion() {
    if (!active_) return;
    task_slots->closed.store(true, std::memory_order_release);
    while (task_slots->inside.load(std::memory_order_acquire) != 0) std::this_thread::yield();
    delete task_slots;
    task_slots = nullptr;
    region_workers.reset();
    region_is_open = false;
}

namespace detail {

void for_shards(std::size_t n, Call<std::size_t> f) {
    flush_denormals();
    std::mutex mutex;
    std::size_t failed = n;
    std::exception_ptr error;
    HappensBefore to_caller;
    const auto one = [&](std::size_t i) {
        const bool outermost = !in_shard;
        const InShard nothing_is_cut_again;
        if (outermost) shard_number = i;
        to_workers.take();
        try {
            f(i);
        } catch (...) {
            const std::lock_guard lock(mutex);
            if (i < failed) failed = i, error = std::current_exception();
        }
        if (outermost) shard_number = 0;
        to_caller.give();
    };
    if (in_shard || count() == 1 || n == 1) {
        for (std::size_t i = 0; i < n; ++i) one(i);
    } else {
        to_workers.give();
        workers()->arena.execute(
            [&] { tbb::parallel_for(std::size_t{0}, n, one, tbb::static_partitioner{}); });
        to_caller.take();
    }
    if (error) std::rethrow_exception(error);
}

void for_pieces(std::size_t total, std::size_t align, Call<std::size_t, std::size_t> f) {
    const std::size_t units = (total + align - 1) / align;
    const Cut cut{total, align, std::min(cores(), units)};
    if (cut.pieces <= 1) return f(0, total);
    if (task_slots != nullptr && !in_shard) return on_task_slots(cut, f);
    for_shards(cut.pieces, Call<std::size_t>([&](std::size_t p) { f(cut.at(p), cut.at(p + 1)); }));
}

} // namespace detail

} // namespace unroll::threads
