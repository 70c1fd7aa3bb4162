#include <unroll/core/base/evaluating.hpp>

#include <cstddef>

namespace unroll {

namespace {
thread_local constinit std::size_t living = 0;
}

Evaluating::Evaluating() { ++living; }
Evaluating::~Evaluating() { --living; }
bool Evaluating::is_on() { return living > 0; }

} // namespace unroll
