#pragma once

#include <unroll/nn/recurrent/gru.hpp>
#include <unroll/nn/recurrent/lstm.hpp>

namespace unroll::nn {

// Chrono initialisation, for memories of up to `longest` steps (Tallec and Ollivier 2018): for each
// unit a time u is drawn from [1, longest]; log u is added to the bias of an LSTM's f or a GRU's z,
// and subtracted from the bias of an LSTM's i. Call it on a new layer, before training. Throws
// Error for a `longest` of 0 and for a GRU with Update::lets_new.
template <class T>
void initialize_chrono(Lstm<T>& lstm, std::size_t longest, Where where = Where::current());
template <class T>
void initialize_chrono(Gru<T>& gru, std::size_t longest, Where where = Where::current());

} // namespace unroll::nn
