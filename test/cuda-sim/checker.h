/* What the two halves of the checker share: check.cc judges accesses, shadow.cc keeps the
 * memory beside memory and knows instructions and constants. */
#ifndef CUDASIM_CHECKER_H
#define CUDASIM_CHECKER_H

#include "simulator.h"

#pragma GCC visibility push(hidden)
namespace cudasim
{
constexpr unsigned granule = 2; // bytes

/* In flight 1 bit, time 36, instruction 16, thread 10, atomic 1; 0: nothing yet. */
typedef uint64_t Record;
constexpr Record in_flight = (Record)1 << 63; // the write of a cp.async not waited for
constexpr uint64_t end_of_time = (uint64_t)1 << 36;
struct Cell {
    Record write, read[2];
};

static inline uint64_t time_of(Record r)
{
    return r >> 27 & (end_of_time - 1);
}
static inline unsigned instruction_of(Record r)
{
    return r >> 11 & 0xffff;
}
static inline unsigned thread_of(Record r)
{
    return r >> 1 & 1023;
}

void find_module();                          // before anything below
unsigned number_of(const void *instruction); // small; 0: not of a kernel, or too many
const char *place_of_number(unsigned instruction);
bool is_constant(uintptr_t start, uintptr_t end);
size_t shadows_size(); // bytes of address space
} // namespace cudasim
#pragma GCC visibility pop

#endif
