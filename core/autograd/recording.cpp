#include <unroll/core/autograd/inner_run.hpp>
#include <unroll/core/autograd/tape.hpp>
#include <unroll/core/base/per_thread.hpp>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <mutex>

namespace unroll {

namespace {

std::atomic<std::uint64_t> generations{0};

// A tape that records, or did until it was destroyed; without a slot, a NoRecording.
template <class T>
struct Recorder {
    TapeSlot<T>* slot = nullptr;
    std::uint64_t number = 0; // the tape's lifetime, or that of the NoRecording; 0: none

    bool is_none() const { return number == 0; }
    bool is_pause() const { return slot == nullptr && number != 0; }
    bool is_alive() const {
        return slot == nullptr || slot->lifetime.load(std::memory_order_acquire) == number;
    }
    friend bool operator==(const Recorder&, const Recorder&) = default;
};

// The tapes and NoRecordings of this thread, except the innermost. A tape may be destroyed out of
// order or by another thread: its entry is then dropped when it is reached.
template <class T>
struct Recorders {
    static thread_local constinit Recorder<T> innermost;
    static std::vector<Recorder<T>>& outer() { return per_thread<std::vector<Recorder<T>>>(); }

    static void push(Recorder<T> recorder) {
        if (!innermost.is_none()) outer().push_back(innermost);
        innermost = recorder;
    }
    static void pop() {
        innermost = {};
        for (auto& others = outer(); !others.empty() && innermost.is_none(); others.pop_back())
            if (others.back().is_alive()) innermost = others.back();
    }
    static void drop_destroyed() {
        while (!innermost.is_none() && !innermost.is_alive()) pop();
    }
    // Also one in whose scope others were created that outlive it.
    static void remove(Recorder<T> recorder) {
        if (innermost == recorder) return pop();
        auto& others = outer();
        const auto last = std::find(others.rbegin(), others.rend(), recorder);
        if (last != others.rend()) others.erase(std::next(last).base());
    }
};

template <class T>
thread_local constinit Recorder<T> Recorders<T>::innermost{};

// Slots are reused but never freed: a variable may outlive its tape.
template <class T>
struct Slots {
    std::mutex mutex;
    std::vector<TapeSlot<T>*> free;

    static Slots& all() {
        static Slots* const slots = new Slots;
        return *slots;
    }
};

} // namespace

// ---- memory ----

template <class T>
Tape<T>::Memory::Memory() : leaves(64) {
    auto& slots = Slots<T>::all();
    const std::lock_guard lock(slots.mutex);
    if (slots.free.empty()) {
        slot = new TapeSlot<T>;
    } else {
        slot = slots.free.back();
        slots.free.pop_back();
    }
}

template <class T>
Tape<T>::Memory::~Memory() {
    auto& slots = Slots<T>::all();
    const std::lock_guard lock(slots.mutex);
    slots.free.push_back(slot);
}

namespace {

// Memories of this thread's destroyed tapes; as many as tapes are commonly nested.
constexpr std::size_t most_spare = 8;
template <class Memory>
struct Spare {
    std::vector<std::unique_ptr<Memory>> all;
    static thread_local constinit bool has_ended;

    Spare() { all.reserve(most_spare); }
    ~Spare() { has_ended = true; }
    static Spare* mine() {
        if (has_ended) return nullptr;
        thread_local Spare spare;
        return &spare;
    }
};
template <class Memory>
thread_local constinit bool Spare<Memory>::has_ended = false;

} // namespace

template <class T>
std::unique_ptr<typename Tape<T>::Memory> Tape<T>::Memory::take() {
    auto* const spare = Spare<Memory>::mine();
    if (spare == nullptr || spare->all.empty()) return std::make_unique<Memory>();
    auto memory = std::move(spare->all.back());
    spare->all.pop_back();
    return memory;
}

template <class T>
void Tape<T>::Memory::give_back(std::unique_ptr<Memory> memory) {
    auto* const spare = Spare<Memory>::mine();
    if (spare != nullptr && spare->all.size() < most_spare) spare->all.push_back(std::move(memory));
}

// ---- which tape records ----

template <class T>
Tape<T>::Tape(Idle) : m_(Memory::take()) {
    renew();
    m_->slot->lifetime = m_->slot->generation.load();
    m_->slot->tape = this;
}

// From here on, variables recorded earlier are rejected.
template <class T>
void Tape<T>::renew() {
    m_->slot->generation = ++generations;
}

template <class T>
Tape<T>::Tape() : Tape(Idle::idle) {
    Recorders<T>::push({m_->slot, m_->slot->lifetime});
}

template <class T>
Tape<T>::~Tape() {
    if (in_pass_) {
        std::fputs("unroll: a rule or monitor destroyed the tape whose backward pass called it\n",
                   stderr);
        std::abort();
    }
    while (monitors_ != nullptr) {
        monitors_->tape_ = nullptr;
        monitors_ = monitors_->next_;
    }
    reset();
    TapeSlot<T>* const slot = m_->slot;
    slot->tape = nullptr;
    slot->generation = 0;
    slot->lifetime.store(0, std::memory_order_release);
    Memory::give_back(std::move(m_));
    auto& innermost = Recorders<T>::innermost;
    if (!innermost.is_none() && !innermost.is_alive()) Recorders<T>::pop();
}

template <class T>
Tape<T>* Tape<T>::current() {
    Recorders<T>::drop_destroyed();
    TapeSlot<T>* const slot = Recorders<T>::innermost.slot;
    return slot != nullptr ? slot->tape.load(std::memory_order_relaxed) : nullptr;
}

template <class T>
const char* Tape<T>::how_to_record() {
    constexpr bool is_double = std::same_as<T, double>;
    using Other = std::conditional_t<is_double, float, double>;
    if (current() != nullptr || Tape<Other>::current() == nullptr)
        return "create a tape, on the thread that computes, before the value is computed";
    return is_double ? "a Tape<float> records here, but the value is double: create a Tape<double>"
                     : "a Tape<double> records here, but the value is float: create a Tape<float>";
}

template <class T>
bool Tape<T>::is_paused() {
    return is_paused(nullptr);
}

template <class T>
bool Tape<T>::is_paused(const TapeSlot<T>* slot) {
    Recorders<T>::drop_destroyed();
    const auto& innermost = Recorders<T>::innermost;
    if (slot == nullptr || innermost.slot == nullptr) return innermost.is_pause();
    if (innermost.slot == slot) return false;
    const auto& others = Recorders<T>::outer();
    for (auto outer = others.rbegin(); outer != others.rend(); ++outer) {
        if (outer->is_pause()) return true;
        if (outer->slot == slot && outer->is_alive()) return false;
    }
    return false;
}

template <class T>
Tape<T>* Tape<T>::recording(const Variable<T>& x) {
    Tape* tape = x.tape();
    if (tape == nullptr) return current();
    const auto* const inner = detail::InnerRun<T>::current();
    if (inner != nullptr && inner->is_outside(*x.body())) tape = &inner->tape();
    return is_paused(tape->m_->slot) ? nullptr : tape;
}

template <class T>
NoRecording<T>::NoRecording() : number_(++generations) {
    Recorders<T>::push({nullptr, number_});
}

template <class T>
NoRecording<T>::~NoRecording() {
    Recorders<T>::remove({nullptr, number_});
}

template <class T>
Recording<T>::Recording(Tape<T>& tape) : slot_(tape.m_->slot), lifetime_(slot_->lifetime) {
    Recorders<T>::push({slot_, lifetime_});
}

template <class T>
Recording<T>::~Recording() {
    Recorders<T>::remove({slot_, lifetime_});
}

template <class T>
std::unique_ptr<Tape<T>> idle_tape() {
    return std::unique_ptr<Tape<T>>(new Tape<T>(Tape<T>::Idle::idle));
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template Tape<T>::Tape();                                                                      \
    template Tape<T>::~Tape();                                                                     \
    template Tape<T>* Tape<T>::current();                                                          \
    template const char* Tape<T>::how_to_record();                                                 \
    template bool Tape<T>::is_paused();                                                            \
    template bool Tape<T>::is_paused(const TapeSlot<T>*);                                          \
    template Tape<T>* Tape<T>::recording(const Variable<T>&);                                      \
    template void Tape<T>::renew();                                                                \
    template class NoRecording<T>;                                                                 \
    template class Recording<T>;                                                                   \
    template std::unique_ptr<Tape<T>> idle_tape();

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll
