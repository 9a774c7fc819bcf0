/* cp.async: copies into shared memory that are done where they are waited for.
 *
 * Until then the destination holds bytes 0xff, so a wait that keeps too many groups
 * leaves NaN. A thread that exits has waited for nothing: its copies are dropped. */
#include "simulator.h"
#include <vector>

namespace cudasim
{
struct PendingCopy {
    void *to;
    const void *from;
    size_t size, source_size;
    unsigned group;
    const void *instruction;
};
struct CopyQueue {
    std::vector<PendingCopy> pending;
    unsigned group = 0;
};
static CopyQueue *const queues = new CopyQueue[max_threads]; // outlives destructors

void drop_copies(unsigned thread)
{
    queues[thread].pending.clear();
    queues[thread].group = 0;
}

void cp_async(void *to, const void *from, size_t size, size_t source_size)
{
    const void *instruction = __builtin_return_address(0);
    CopyQueue &queue = queues[self_number()];

    if (settings.arch < 80)
        fail("arch", "cp.async needs sm_80, the device is sm_%d", settings.arch);
    if ((size != 4 && size != 8 && size != 16) || source_size > size)
        fail("launch", "cp.async of %zu bytes from %zu", size, source_size);
    if (((uintptr_t)to | (uintptr_t)from) & (size - 1))
        fail("misaligned", "cp.async of %zu bytes to %p from %p at %s", size, to, from,
             place_of(instruction));
    if (!is_shared(to, size))
        fail("address", "cp.async to %p, which is not in shared memory, at %s", to,
             place_of(instruction));
    touch_copy(to, size, false, instruction);
    if (source_size)
        touch_at(from, source_size, false, false, instruction);
    profile_copy(source_size);
    memset(to, 0xff, size);
    queue.pending.push_back({to, from, size, source_size, queue.group, instruction});
}

void cp_commit()
{
    queues[self_number()].group++;
}

void cp_wait(int keep)
{
    CopyQueue &queue = queues[self_number()];
    size_t kept = 0;

    for (const PendingCopy &copy : queue.pending) {
        if (copy.group + (unsigned)keep >= queue.group) {
            queue.pending[kept++] = copy;
            continue;
        }
        memcpy(copy.to, copy.from, copy.source_size);
        memset((char *)copy.to + copy.source_size, 0, copy.size - copy.source_size);
        touch_copy(copy.to, copy.size, true, copy.instruction);
    }
    queue.pending.resize(kept);
}
} // namespace cudasim
