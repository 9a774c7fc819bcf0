/* The checker: what every access of a kernel to memory must be.
 *
 * Kernels are compiled with -fsanitize=thread, so that gcc and clang call functions such
 * as __tsan_read4 at each access; no libtsan is linked, hooks.cc has them. An access that
 * is not to the thread's own stack
 *   - is to shared memory of the block, to one allocation of device memory, to constants
 *     or to the kernel's arguments,
 *   - is aligned to its size,
 *   - reads what was written,
 *   - does not conflict with another thread's that nothing orders before it: a barrier of
 *     the block, __syncwarp, the beginning of the kernel, a release that was acquired.
 *
 * Each 2 bytes have a cell: the last write and two reads by different warps, each with
 * the time, the thread and the instruction. Time goes on where something orders accesses.
 * As blocks run one after another, a time also tells the block. Shuffles and matrix
 * operations do not order memory; atomics do not race with each other. */
#ifdef CUDASIM_CHECK
#    include "checker.h"
#    include <algorithm>
#    include <map>
#    include <set>
#    include <stdio.h>
#    include <vector>

namespace cudasim
{
static uint64_t now = 1, launch_start, block_start, barrier_time;
static Cell shared_cells[shared_span / granule];
// When this thread was ordered after that lane.
static uint64_t lane_time[max_threads][32];
static bool lanes_ordered;
struct BlockStart {
    uint64_t time;
    unsigned long number;
};
static std::vector<BlockStart> &blocks = *new std::vector<BlockStart>; // of the launch
static std::set<std::pair<unsigned, unsigned>> &seen =
    *new std::set<std::pair<unsigned, unsigned>>;

/* Accesses of a block before this one, from its beginning to its last barrier before it
 * released them. Whoever acquired them is after them, and all of its block after the next
 * barrier. */
struct Handed {
    uint64_t from, to;
    unsigned thread;
    bool all;
};
static std::map<const void *, Handed> &released = *new std::map<const void *, Handed>;
static std::vector<Handed> &acquired = *new std::vector<Handed>; // by this block

static bool handed_over(uint64_t time, unsigned thread)
{
    for (const Handed &h : acquired)
        if (time >= h.from && time < h.to && (h.all || h.thread == thread))
            return true;
    return false;
}

static inline bool ordered(Record r, const Thread *me)
{
    const uint64_t time = time_of(r);
    const unsigned thread = thread_of(r);

    if (time < launch_start)
        return true;
    if (time < block_start)
        return handed_over(time, me->linear);
    if (thread == me->linear || time < barrier_time)
        return true;
    return thread >> 5 == me->warp && time < lane_time[me->linear][thread & 31];
}

/* What an access is to: its cells, and words for messages. */
struct Target {
    Cell *cell;
    unsigned char *written; // bits of cells of device memory, from this bit on
    unsigned bit;
    const char *name;
    size_t offset;
};

static const char *verb(bool write)
{
    return write ? "write" : "read";
}

static Target shared_target(uintptr_t address, size_t size, bool write,
                            const void *instruction)
{
    const uintptr_t start = (uintptr_t)block.shared_start;
    const unsigned thread = self_number();
    Cell *cell = shared_cells + (address - start) / granule;

    if (address >= (uintptr_t)block.dynamic) {
        const size_t offset = address - (uintptr_t)block.dynamic;
        if (offset + size > block.dynamic_size)
            fail("address",
                 "%s of %zu bytes at offset %zu of dynamic shared memory, which has %zu "
                 "bytes, by thread %u at %s",
                 verb(write), size, offset, block.dynamic_size, thread,
                 place_of(instruction));
        return {cell, nullptr, 0, "dynamic shared memory", offset};
    }
    const unsigned owner = address < start ? 0 : shared_owner[(address - start) / 16];
    if (owner) {
        const SharedVariable &v = block.variable[owner - 1];
        const size_t offset = address - (uintptr_t)v.start;
        if (offset + size <= v.size)
            return {cell, nullptr, 0, v.name, offset};
    }
    const SharedVariable *before = nullptr;
    for (unsigned i = 0; i < block.variables; i++)
        if ((uintptr_t)block.variable[i].start <= address)
            before = &block.variable[i];
    fail("address",
         "%s of %zu bytes outside all shared variables, %ld bytes after the start of %s, "
         "which has %zu bytes, by thread %u at %s",
         verb(write), size, before ? (long)(address - (uintptr_t)before->start) : -1L,
         before ? before->name : "none", before ? before->size : 0, thread,
         place_of(instruction));
}

static Target device_target(uintptr_t address, size_t size, bool write,
                            const void *instruction)
{
    static Allocation *last;
    static unsigned long long last_launch;
    Allocation *a = last_launch == statistics.launches ? last : nullptr;

    if (!a || address - (uintptr_t)a->start >= a->size ||
        size > a->size - (address - (uintptr_t)a->start)) {
        a = find_allocation((void *)address, size);
        last = a;
        last_launch = statistics.launches;
    }
    if (!a) {
        const Allocation *near = nearest_allocation((void *)address);
        const uint3 b = machine.block_index;
        fail("address",
             "%s of %zu bytes outside all device memory, %ld bytes after the start of an "
             "allocation of %zu bytes, by block (%u,%u,%u) thread %u at %s",
             verb(write), size, near ? (long)(address - (uintptr_t)near->start) : -1L,
             near ? near->size : 0, b.x, b.y, b.z, self_number(), place_of(instruction));
    }
    const size_t offset = address - (uintptr_t)a->start, i = offset / granule;
    return {(Cell *)a->shadow + i, a->written + i / 8, (unsigned)(i % 8), "device memory",
            offset};
}

/* Memory that is neither: fine to read if nothing can change it. */
static void check_other(uintptr_t address, size_t size, bool write,
                        const void *instruction)
{
    const uintptr_t end = address + size, call = (uintptr_t)block.launch->call;

    if (!write && address >= call && end <= call + block.launch->call_size)
        return;
    if (address >= (uintptr_t)&machine && end <= (uintptr_t)(&machine + 1))
        return; // threadIdx and the like
    if (is_constant(address, end)) {
        if (write)
            fail("address", "write to __constant__ memory at %s", place_of(instruction));
        return;
    }
    if (is_pinned((void *)address))
        return;
    fail("address",
         "%s of %zu bytes at %p, which is neither device memory nor shared nor the "
         "thread's own, by thread %u at %s",
         verb(write), size, (void *)address, self_number(), place_of(instruction));
}

static void name_thread(char *text, size_t size, Record r)
{
    auto after =
        std::upper_bound(blocks.begin(), blocks.end(), time_of(r),
                         [](uint64_t time, const auto &b) { return time < b.time; });
    const unsigned long number = after == blocks.begin() ? 0 : std::prev(after)->number;
    const dim3 &g = machine.grid_dim;

    snprintf(text, size, "block (%lu,%lu,%lu) thread %u at %s", number % g.x,
             number / g.x % g.y, number / g.x / g.y, thread_of(r),
             place_of_number(instruction_of(r)));
}

static __attribute__((noinline)) void report_race(const char *kind, Record before,
                                                  Record access, const Target &target,
                                                  size_t cell)
{
    const unsigned a = instruction_of(before), b = instruction_of(access);
    char text[600], first[200], second[200];

    if (!seen.insert({std::min(a, b), std::max(a, b)}).second)
        return;
    name_thread(first, sizeof first, before);
    name_thread(second, sizeof second, access);
    snprintf(text, sizeof text, "%s of %s, offset %zu: %s, and before it %s", kind,
             target.name, target.offset + cell * granule, second, first);
    note_error("race", text);
}

static __attribute__((noinline)) void report_read(const char *kind, const char *why,
                                                  const Target &target, size_t cell,
                                                  Record access)
{
    char text[400], who[200];

    if (!seen.insert({instruction_of(access), 0xffffffffu}).second)
        return;
    name_thread(who, sizeof who, access);
    snprintf(text, sizeof text, "read of %s, offset %zu, %s: %s", target.name,
             target.offset + cell * granule, why, who);
    note_error(kind, text);
}

static inline bool conflict(Record r, bool shared, bool atomic, const Thread *me)
{
    if (!r || (shared && time_of(r) < block_start) || (atomic && (r & 1)))
        return false;
    return !ordered(r, me);
}

static inline void check_cells(const Target &target, size_t count, bool write,
                               bool shared, Record access, const Thread *me)
{
    const bool atomic = access & 1;
    Cell *c = target.cell;

    for (size_t i = 0; i < count; i++, c++) {
        unsigned char *byte = target.written + (target.bit + i) / 8;
        const unsigned bit = 1u << (target.bit + i) % 8;
        if (conflict(c->write, shared, atomic, me))
            report_race(write ? "write after write" : "read after write", c->write,
                        access, target, i);
        if (write) {
            for (Record r : c->read)
                if (conflict(r, shared, atomic, me))
                    report_race("write after read", r, access, target, i);
            c->write = access;
            if (!shared)
                *byte = (unsigned char)(*byte | bit);
            continue;
        }
        if (shared ? time_of(c->write) < block_start : !(*byte & bit)) {
            if (!settings.sample) // else other blocks might have written it
                report_read("uninitialised", "which nothing has written", target, i,
                            access);
        } else if (shared && c->write & in_flight) {
            report_read("copy", "whose cp.async is not waited for", target, i, access);
        }
        if (thread_of(c->read[0]) >> 5 != me->warp || time_of(c->read[0]) < block_start)
            c->read[1] = c->read[0];
        c->read[0] = access;
    }
}

enum Part { whole_access, copy_begins, copy_ends };

static __attribute__((noinline)) void check(uintptr_t address, size_t size, bool write,
                                            bool atomic, Part part,
                                            const void *instruction)
{
    const Thread *me = self();
    const uintptr_t start = (uintptr_t)block.shared_start;
    Target target;

    statistics.accesses++;
    if (address & (size - 1) && (size & (size - 1)) == 0 && size <= 16)
        fail("misaligned", "%s of %zu bytes at %p by thread %u at %s", verb(write), size,
             (void *)address, me->linear, place_of(instruction));
    const bool shared = address - start + 4096 < shared_span + 8192;
    if (shared)
        target = shared_target(address, size, write, instruction);
    else if (is_device((void *)address))
        target = device_target(address, size, write, instruction);
    else
        return check_other(address, size, write, instruction);
    const unsigned number = number_of(instruction);
    const Record access = now << 27 | (uint64_t)number << 11 | (uint64_t)me->linear << 1 |
                          atomic | (part == copy_begins ? in_flight : 0);
    check_cells(target, (address % granule + size + granule - 1) / granule, write, shared,
                access, me);
    if (settings.profile && part != copy_ends)
        profile_access({number, me->linear, address, (unsigned)size, write, shared});
    if (settings.preempt && random_number() % (unsigned)settings.preempt == 0) {
        push_ready(self());
        suspend(self());
    }
}

void touch_at(const void *pointer, size_t size, bool write, bool atomic,
              const void *instruction)
{
    check((uintptr_t)pointer, size, write, atomic, whole_access, instruction);
}

void touch_copy(const void *pointer, size_t size, bool ends, const void *instruction)
{
    check((uintptr_t)pointer, size, true, false, ends ? copy_ends : copy_begins,
          instruction);
}

void touch(const void *pointer, size_t size, bool write, bool atomic)
{
    check((uintptr_t)pointer, size, write, atomic, whole_access,
          __builtin_return_address(0));
}

float4 ld16(const void *pointer)
{
    float4 value;

    touch_at(pointer, sizeof value, false, false, __builtin_return_address(0));
    memcpy(&value, pointer, sizeof value);
    return value;
}

void st16(void *pointer, float4 value)
{
    touch_at(pointer, sizeof value, true, false, __builtin_return_address(0));
    memcpy(pointer, &value, sizeof value);
}

uint2 ld8(const void *pointer)
{
    uint2 value;

    touch_at(pointer, sizeof value, false, false, __builtin_return_address(0));
    memcpy(&value, pointer, sizeof value);
    return value;
}

void st8(void *pointer, uint2 value)
{
    touch_at(pointer, sizeof value, true, false, __builtin_return_address(0));
    memcpy(pointer, &value, sizeof value);
}

void check_launch()
{
    find_module();
    launch_start = ++now;
    blocks.clear();
    released.clear();
}

void check_block(unsigned long number)
{
    block_start = barrier_time = ++now;
    blocks.push_back({now, number});
    acquired.clear();
    if (lanes_ordered)
        memset(lane_time, 0, sizeof lane_time);
    lanes_ordered = false;
    if (now >= end_of_time)
        fail("host", "the checker's clock has ended");
}

void check_block_end()
{
    profile_flush();
}

/* Cells of earlier launches say nothing any more. */
void check_launch_end()
{
    if (shadows_size() > (size_t)512 << 20)
        forget_shadows();
}

void order_block()
{
    barrier_time = ++now;
    for (Handed &h : acquired)
        h.all = true;
    profile_flush();
}

void order_release(const void *flag)
{
    released[flag] = {block_start, barrier_time, 0, false};
}

void order_acquire(const void *flag)
{
    const auto found = released.find(flag);

    if (found == released.end())
        return;
    acquired.push_back(found->second);
    acquired.back().thread = self_number();
}

/* Each lane is after all that any of the others was after, and after these. */
void order_warp(unsigned warp, uint32_t lanes)
{
    uint64_t(*times)[32] = &lane_time[warp * 32];
    uint64_t joined[32] = {};

    ++now;
    lanes_ordered = true;
    for (uint32_t left = lanes; left; left &= left - 1)
        for (int i = 0; i < 32; i++)
            joined[i] = std::max(joined[i], times[__builtin_ctz(left)][i]);
    for (uint32_t left = lanes; left; left &= left - 1)
        joined[__builtin_ctz(left)] = now;
    for (uint32_t left = lanes; left; left &= left - 1)
        memcpy(times[__builtin_ctz(left)], joined, sizeof joined);
}

void forget_errors_seen()
{
    seen.clear();
}
} // namespace cudasim

int cudasim_checked(void)
{
    return 1;
}
#endif
