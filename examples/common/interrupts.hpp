#pragma once

namespace example {

// SIGINT, SIGTERM and SIGHUP are blocked in every thread from before main() on, and taken by one
// thread that waits for them: no handler runs on the stack of a thread that computes. A signal that
// was ignored when the program started (nohup) stays ignored.

// Starts the thread that takes them. Until finish_on_interrupt() an interrupt ends the program as
// it would without this.
void take_interrupts();

// From now on the first interrupt only makes interrupted() true, so that a training can save; a
// second SIGINT or SIGTERM ends the program at once with status 130. A closing terminal sends more
// than one SIGHUP, so these are never counted as a second one.
void finish_on_interrupt();
bool interrupted();

// Acts as an interrupt does.
void interrupt();

} // namespace example
