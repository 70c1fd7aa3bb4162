#pragma once

namespace unroll {

// For its scope, layers on this thread behave as they do after training, whether a tape records or
// not: nothing is dropped, and BatchNorm uses its running statistics. Guards nest, and apply to
// shards that run in their scope.
//   const Evaluating guard;
//   tape.backward(loss(model(x)));
class Evaluating {
public:
    [[nodiscard]] Evaluating();
    ~Evaluating();
    Evaluating(const Evaluating&) = delete;
    Evaluating& operator=(const Evaluating&) = delete;

    // Whether this thread is in the scope of one.
    static bool is_on();
};

} // namespace unroll
