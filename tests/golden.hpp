#pragma once

namespace test {

// Folder of the golden files. The build defines it, in a unit of its own, so that objects of other
// tests do not depend on where the project is.
extern const char* const golden_folder;

} // namespace test
