/* Running a grid: block after block, each with its shared memory and its barrier.
 *
 * Shared memory starts as bytes 0xff, which are NaN as floats, since on a device it is
 * not zero either. Dynamic memory ends at a guard page as nearly as its alignment of 128
 * bytes allows; static variables lie 64 bytes or more apart. */
#include "simulator.h"
#include <algorithm>
#include <map>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <vector>

namespace cudasim
{
Block block;
unsigned char shared_owner[shared_span / 16];
static std::map<const void *, size_t> &static_sizes = *new std::map<const void *, size_t>;

constexpr size_t gap = 64; // between static variables
constexpr size_t max_static = 48 << 10;

void fail(const char *kind, const char *format, ...)
{
    char text[2000];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    note_error(kind, text);
    block.failed = true;
    if (!in_fiber(__builtin_frame_address(0)))
        abort(); // the simulator called something of a kernel itself
    leave_fibers();
}

void release(unsigned *to, unsigned value)
{
    maybe_yield();
    touch(to, sizeof *to, true, true);
    order_release(to);
    memcpy(to, &value, sizeof value);
}

void acquire(const unsigned *from, unsigned value)
{
    unsigned now;

    maybe_yield();
    touch(from, sizeof *from, false, true);
    memcpy(&now, from, sizeof now);
    if (now != value)
        fail("wait",
             "thread %u waits for %u where %u is, and no block that began before "
             "will write it, at %s",
             self_number(), value, now, place_of(__builtin_return_address(0)));
    order_acquire(from);
}

static void release_barrier()
{
    statistics.barriers++;
    block.arrived = 0;
    block.barrier_where = nullptr;
    order_block();
    for (unsigned i = 0; i < block.threads; i++)
        if (machine.thread[i].state == at_barrier)
            push_ready(&machine.thread[i]);
}

static void arrive_at_barrier(Thread *me, const char *where)
{
    if (!settings.lax_barrier) {
        if (block.alive != block.threads)
            fail("divergence",
                 "%s: thread %u reaches a block barrier after %u of %u threads have "
                 "exited",
                 where, me->linear, block.threads - block.alive, block.threads);
        if (!block.barrier_where)
            block.barrier_where = where;
        else if (block.barrier_where != where && strcmp(block.barrier_where, where) != 0)
            fail("divergence", "thread %u waits at barrier %s while others wait at %s",
                 me->linear, where, block.barrier_where);
    }
    me->where = where;
    me->state = at_barrier;
    if (++block.arrived == block.alive)
        release_barrier();
}

void syncthreads(const char *where)
{
    Thread *me = self();

    arrive_at_barrier(me, where);
    suspend(me);
}

int syncthreads_reduce(const char *where, Reduction reduction, int predicate)
{
    Thread *me = self();

    if (block.arrived == 0)
        block.votes[++block.turn & 1] = 0;
    unsigned *votes = &block.votes[block.turn & 1];
    *votes += predicate != 0;
    arrive_at_barrier(me, where);
    suspend(me);
    if (reduction == reduce_or)
        return *votes != 0;
    return reduction == reduce_and ? *votes == block.threads : (int)*votes;
}

void run_thread()
{
    Thread *me = self();

    block.launch->run(block.launch->call);
    drop_copies(me->linear);
    block.alive--;
    if (block.alive && block.arrived == block.alive) {
        if (!settings.lax_barrier)
            fail("divergence", "thread %u exits while %u threads wait at barrier %s",
                 me->linear, block.arrived,
                 block.barrier_where ? block.barrier_where : "?");
        me->state = done;
        release_barrier();
    }
    finish(me);
}

void *dyn_smem()
{
    return block.dynamic;
}

void *shared_static(const void *tag, const char *name, size_t size)
{
    for (unsigned i = 0; i < block.variables; i++)
        if (block.variable[i].tag == tag)
            return block.variable[i].start;
    if (block.variables == max_shared_variables)
        fail("launch", "more than %u shared variables", max_shared_variables);
    const size_t offset = (block.static_top + gap + 127) & ~(size_t)127;
    char *start = block.shared_start + offset;
    const size_t granules = (size + 15) / 16;
    block.static_size += size;
    if (block.static_size > max_static || start + size + gap > block.dynamic)
        fail("launch", "shared variable %s of %zu bytes makes %zu, more than %zu", name,
             size, block.static_size, max_static);
    block.static_top = offset + granules * 16;
    block.variable[block.variables++] = {tag, name, start, size};
    memset(shared_owner + offset / 16, (int)block.variables, granules);
    memset(start, 0xff, size);
    return start;
}

bool is_shared(const void *pointer, size_t size)
{
    const char *p = (const char *)pointer;

    if (p >= block.dynamic && p + size <= block.dynamic + block.dynamic_size)
        return true;
    if (p < block.shared_start || p >= block.dynamic)
        return false;
    const unsigned owner = shared_owner[(p - block.shared_start) / 16];
    if (!owner)
        return false;
    const SharedVariable &variable = block.variable[owner - 1];
    return p + size <= variable.start + variable.size;
}

size_t static_shared_of(const void *kernel)
{
    const auto found = static_sizes.find(kernel);

    return found == static_sizes.end() ? 0 : found->second;
}

static void make_shared()
{
    if (block.shared_start)
        return;
    char *p = (char *)mmap(nullptr, shared_span + 8192, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED)
        abort();
    mprotect(p, 4096, PROT_NONE);
    mprotect(p + 4096 + shared_span, 4096, PROT_NONE);
    block.shared_start = p + 4096;
}

static void start_block(const Launch &launch, unsigned long number)
{
    const dim3 &g = launch.grid, &b = launch.block;

    machine.block_index = {(unsigned)(number % g.x), (unsigned)(number / g.x % g.y),
                           (unsigned)(number / g.x / g.y)};
    block.threads = block.alive = b.x * b.y * b.z;
    block.arrived = 0;
    block.barrier_where = nullptr;
    block.failed = false;
    block.dynamic_size = launch.shared;
    block.dynamic =
        block.shared_start + shared_span - ((launch.shared + 127) & ~(size_t)127);
    memset(shared_owner, 0, (block.static_top + 15) / 16);
    block.variables = 0;
    block.static_top = block.static_size = 0;
    memset(block.dynamic, 0xff, launch.shared);
    clear_meetings(block.threads);
    check_block(number);
    clear_ready();
    uint3 index = {0, 0, 0};
    for (unsigned t = 0; t < block.threads; t++) {
        Thread *thread = &machine.thread[t];
        thread->index = index;
        thread->where = nullptr;
        start_fiber(thread);
        push_ready(thread);
        if (++index.x == b.x) {
            index.x = 0;
            if (++index.y == b.y) {
                index.y = 0;
                index.z++;
            }
        }
    }
    statistics.blocks++;
    statistics.threads += block.threads;
}

static std::vector<unsigned> random_order(unsigned long count)
{
    std::vector<unsigned> order(count);

    for (unsigned i = 0; i < count; i++)
        order[i] = i;
    for (unsigned i = (unsigned)count; i > 1; i--)
        std::swap(order[i - 1], order[random_number() % i]);
    return order;
}

unsigned long sampled_blocks(unsigned long count)
{
    const unsigned long some = (unsigned long)std::max(settings.sample, 0);

    return some ? std::min(some, count) : count;
}

bool run_grid(const Launch &launch)
{
    const unsigned long count =
        (unsigned long)launch.grid.x * launch.grid.y * launch.grid.z;
    std::vector<unsigned> order;

    make_fibers();
    make_shared();
    block.launch = &launch;
    machine.block_dim = launch.block;
    machine.grid_dim = launch.grid;
    statistics.launches++;
    seed_random(settings.seed);
    check_launch();
    profile_launch(launch);
    if (settings.order == CUDASIM_RANDOM)
        order = random_order(count);
    const unsigned long sampled = sampled_blocks(count);
    for (unsigned long k = 0; k < sampled; k++) {
        const unsigned long i = k * count / sampled;
        start_block(launch, settings.order == CUDASIM_RANDOM       ? order[i]
                            : settings.order == CUDASIM_DESCENDING ? count - 1 - i
                                                                   : i);
        enter_fibers();
        check_block_end();
        if (block.failed) {
            for (unsigned t = 0; t < block.threads; t++)
                drop_copies(t);
            break;
        }
    }
    static_sizes[launch.kernel] = block.static_size;
    profile_end();
    check_launch_end();
    block.launch = nullptr;
    return !block.failed;
}
} // namespace cudasim
