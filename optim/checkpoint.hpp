#pragma once

#include <unroll/core/files/safetensors.hpp>
#include <unroll/core/tensor/random.hpp>
#include <unroll/optim/ema.hpp>
#include <unroll/optim/optimizer.hpp>

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace unroll::optim {

// Saves weights in a safetensors file, also readable by Python's safetensors package.
template <class T>
void save_weights(const std::string& path, const Parameters<T>& parameters,
                  const std::map<std::string, std::string>& metadata = {},
                  Where where = Where::current());

// Reads them back. Throws Error, changing nothing, for a broken file, or with a list of all tensors
// that are missing, unexpected or of another shape. Numbers that T does not represent exactly, such
// as float64 weights for a float model, throw unless `narrowing` allows rounding. The batch
// counters of PyTorch's normalisations (num_batches_tracked) are ignored.
template <class T>
void load_weights(const std::string& path, const Parameters<T>& parameters,
                  Narrowing narrowing = Narrowing::refuse, Where where = Where::current());

// Everything needed to resume a run bit for bit: weights, the state and step of an optimiser (or of
// an Lbfgs) and of moving averages, other tensors (such as a carried state), and metadata as text
// (positions, generator states).
template <class T = float>
struct Checkpoint {
    Parameters<T> parameters = {};
    Resumable<T>* optimizer = nullptr;
    std::map<std::string, Tensor<T>> tensors = {};
    std::map<std::string, std::string> metadata = {};
    Ema<T>* average = nullptr;

    void save(const std::string& path, Where where = Where::current()) const;
    // Fills parameters, optimiser and average, and replaces `tensors` and `metadata`. Throws as
    // load_weights does, changing nothing.
    void load(const std::string& path, Where where = Where::current());
};

std::string to_metadata(const Random::State& state);
// Throws Error if the text is not a valid state.
Random::State random_state(const std::string& metadata, Where where = Where::current());

} // namespace unroll::optim
