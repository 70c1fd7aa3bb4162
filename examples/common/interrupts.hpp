#pragma once

namespace example {

// SIGINT, SIGTERM and SIGHUP are blocked in every thread before main() and received by one waiting
// thread, so that no handler runs on the stack of a computing thread. A signal that was ignored
// when the program started (nohup) remains ignored.

// Starts the receiving thread. Until finish_on_interrupt() an interrupt terminates the program as
// usual.
void take_interrupts();

// From now on the first interrupt only makes interrupted() true, so that training can save; a
// second SIGINT or SIGTERM terminates the program immediately with status 130. A closing terminal
// sends several SIGHUPs, which never count as a second interrupt.
void finish_on_interrupt();
bool interrupted();

// Has the effect of an interrupt.
void interrupt();

} // namespace example
