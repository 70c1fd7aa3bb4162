#pragma once

namespace unroll {

// While it lives, layers on this thread behave as they do after training, whether a tape records or
// not: nothing is dropped, and BatchNorm uses its running statistics. Guards nest. It holds for
// shards that run within it.
//   const Evaluating guard;
//   tape.backward(loss(model(x)));
class Evaluating {
public:
    [[nodiscard]] Evaluating();
    ~Evaluating();
    Evaluating(const Evaluating&) = delete;
    Evaluating& operator=(const Evaluating&) = delete;

    // Whether one lives on this thread.
    static bool is_on();
};

} // namespace unroll
