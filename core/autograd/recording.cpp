#include <unroll/core/autograd/tape.hpp>

#include <mutex>

namespace unroll {

namespace {

std::atomic<std::uint64_t> generations{0};

// A tape that records, or that recorded until it was destroyed.
template <class T>
struct Recorder {
    TapeSlot<T>* slot = nullptr;
    std::uint64_t lifetime = 0;

    bool is_alive() const { return slot->lifetime.load(std::memory_order_acquire) == lifetime; }
};

// The tapes of this thread except the innermost. A tape may be destroyed out of order or by another
// thread; its entry is then removed when it reaches the top.
template <class T>
struct Recorders {
    static thread_local constinit Recorder<T> innermost;
    static thread_local constinit int paused;
    // Null during thread exit, when a tape of static lifetime may still exist.
    static std::vector<Recorder<T>>* outer() {
        thread_local constinit bool has_ended = false;
        if (has_ended) return nullptr;
        struct Owner {
            std::vector<Recorder<T>> others;
            ~Owner() { has_ended = true; }
        };
        thread_local Owner owner;
        return &owner.others;
    }

    static void push(Recorder<T> recorder) {
        if (auto* others = outer(); others != nullptr && innermost.slot != nullptr)
            others->push_back(innermost);
        innermost = recorder;
    }
    static void pop() {
        innermost = {};
        auto* const others = outer();
        while (others != nullptr && !others->empty() && innermost.slot == nullptr) {
            if (others->back().is_alive()) innermost = others->back();
            others->pop_back();
        }
    }
};

template <class T>
thread_local constinit Recorder<T> Recorders<T>::innermost{};
template <class T>
thread_local constinit int Recorders<T>::paused = 0;

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
    if (innermost.slot != nullptr && !innermost.is_alive()) Recorders<T>::pop();
}

template <class T>
Tape<T>* Tape<T>::current() {
    auto& innermost = Recorders<T>::innermost;
    while (innermost.slot != nullptr && !innermost.is_alive()) Recorders<T>::pop();
    if (innermost.slot == nullptr || Recorders<T>::paused != 0) return nullptr;
    return innermost.slot->tape.load(std::memory_order_relaxed);
}

template <class T>
bool Tape<T>::is_paused() {
    return Recorders<T>::paused != 0;
}

template <class T>
NoRecording<T>::NoRecording() {
    ++Recorders<T>::paused;
}

template <class T>
NoRecording<T>::~NoRecording() {
    --Recorders<T>::paused;
}

template <class T>
Recording<T>::Recording(Tape<T>& tape)
    : slot_(tape.m_->slot), lifetime_(slot_->lifetime), paused_(Recorders<T>::paused) {
    Recorders<T>::push({slot_, lifetime_});
    Recorders<T>::paused = 0;
}

template <class T>
Recording<T>::~Recording() {
    Recorders<T>::paused = paused_;
    auto& innermost = Recorders<T>::innermost;
    if (innermost.slot == slot_ && innermost.lifetime == lifetime_) {
        Recorders<T>::pop();
        return;
    }
    // A tape created within the scope outlives it.
    auto* const others = Recorders<T>::outer();
    for (std::size_t i = others != nullptr ? others->size() : 0; i-- > 0;)
        if ((*others)[i].slot == slot_ && (*others)[i].lifetime == lifetime_) {
            others->erase(others->begin() + static_cast<std::ptrdiff_t>(i));
            return;
        }
}

template <class T>
std::unique_ptr<Tape<T>> idle_tape() {
    return std::unique_ptr<Tape<T>>(new Tape<T>(Tape<T>::Idle::idle));
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template Tape<T>::Tape();                                                                      \
    template Tape<T>::~Tape();                                                                     \
    template Tape<T>* Tape<T>::current();                                                          \
    template bool Tape<T>::is_paused();                                                            \
    template void Tape<T>::renew();                                                                \
    template class NoRecording<T>;                                                                 \
    template class Recording<T>;                                                                   \
    template std::unique_ptr<Tape<T>> idle_tape();

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll
