/* What the files of the simulator share. Kernels see cudasim.h only.
 *
 * The API holds one lock (Api) while it works, so one host thread at a time runs device
 * work. Blocks run one after another; the threads of a block take turns as fibers. */
#ifndef CUDASIM_SIMULATOR_H
#define CUDASIM_SIMULATOR_H

#include "include/cuda_runtime.h"
#include "include/cudasim_control.h"
#include <mutex>
#include <vector>

#pragma GCC visibility push(hidden)
namespace cudasim
{
// ---- settings.cc
extern cudasim_config settings;
extern cudasim_stats statistics;
void read_settings();
uint32_t random_number();
void seed_random(uint32_t seed);

// ---- report.cc: errors and places in the source
void note_error(const char *kind, const char *text);
const char *place_of(const void *instruction);
void kernel_function_name(const void *kernel, char *name, size_t size);

// ---- fiber.cc: the stacks, who runs, who may run
void make_fibers();
void start_fiber(Thread *thread);
void enter_fibers();              // from the host, until leave_fibers()
[[noreturn]] void leave_fibers(); // to the host, for good
void push_ready(Thread *thread);  // it may run
void clear_ready();
void suspend(Thread *thread); // others' turn, until it is pushed and picked
[[noreturn]] void finish(Thread *thread);
[[noreturn]] void run_thread(); // what a fiber does, block.cc
static inline bool in_fiber(const void *frame)
{
    return (uintptr_t)frame - machine.stacks < max_threads * stack_size;
}

// ---- block.cc: the running block and its shared memory
struct SharedVariable {
    const void *tag;
    const char *name;
    char *start;
    size_t size;
};
constexpr size_t shared_span = 80 * 4096; // 227 KB and room for gaps; whole pages
constexpr unsigned max_shared_variables = 32;

struct Launch {
    const char *name;
    const void *kernel;
    dim3 grid, block;
    size_t shared;
    void (*run)(void *);
    void *call;
    size_t call_size;
};

struct Block {
    const Launch *launch;
    unsigned threads, alive, arrived;
    const char *barrier_where;
    unsigned votes[2], turn;
    char *shared_start; // static variables, then gaps, then dynamic memory
    char *dynamic;
    size_t dynamic_size, static_top, static_size;
    unsigned variables;
    SharedVariable variable[max_shared_variables];
    bool failed;
};
extern Block block;
extern unsigned char shared_owner[shared_span / 16]; // 1 + index of the variable
bool run_grid(const Launch &launch);
bool is_shared(const void *pointer, size_t size);
size_t static_shared_of(const void *kernel);

// ---- warp.cc: lanes that meet
struct Matrices { // of one mma, whole
    float a[16][16], b[16][8], c[16][8];
};
struct alignas(64) Payload {
    union {
        uint64_t word[32];
        unsigned char row[32][16];
        Matrices matrices;
    };
    uint32_t votes;
};
struct Meeting {
    uint32_t mask, need, arrived, unread, turn;
    Operation operation;
    const char *where;
};
/* A lane comes to a meeting, puts its part into the payload, and says so; the last one
 * hears true, does what is to be done with all parts, and closes; the others wait. */
struct Visit {
    Thread *thread;
    Meeting *meeting;
    Payload *payload;
};
Visit arrive(const char *where, Operation operation, uint32_t mask);
bool last_of(const Visit &visit);
void close_meeting(const Visit &visit);
void wait_for_last(const Visit &visit);
void clear_meetings(unsigned threads);

// ---- copy.cc
void drop_copies(unsigned thread);

// ---- check.cc, profile.cc: nothing in the fast build
struct Allocation;
void touch_at(const void *pointer, size_t size, bool write, bool atomic,
              const void *instruction);
// A copy by cp.async begins, or ends, to write its destination.
void touch_copy(const void *pointer, size_t size, bool ends, const void *instruction);
void check_launch();
void check_block(unsigned long number);
void check_block_end();
void check_launch_end();
void order_block();
/* The calling thread releases, or acquires what was released, at this address. */
void order_release(const void *flag);
void order_acquire(const void *flag);
void order_warp(unsigned warp, uint32_t lanes);
void shadow_allocate(Allocation *allocation);
void shadow_free(Allocation *allocation);
void shadow_host_write(void *pointer, size_t size);

void shadow_forget(Allocation *allocation);
void forget_errors_seen();

struct Access {
    unsigned instruction, thread; // a small number of the instruction
    uintptr_t address;
    unsigned size;
    bool write, shared;
};
void profile_launch(const Launch &launch);
void profile_end(); // of the launch
void profile_access(const Access &access);
void profile_flush(); // all lanes have made their accesses
void profile_matrix(Operation operation);
void profile_copy(size_t size);

// ---- device_memory.cc
constexpr size_t device_size = (size_t)3 << 30;
// How many blocks of a grid run: CUDASIM_SAMPLE.
unsigned long sampled_blocks(unsigned long count);

struct Allocation {
    char *start, *pages; // it ends where its pages end, but for its alignment
    size_t size, page_size;
    void *shadow; // check.cc
    unsigned char *written;
    std::vector<uint32_t> sectors[2];   // profile.cc: the last launch that read, wrote it
    unsigned long long touched[2] = {}; // and how many of them that launch did
};
Allocation *find_allocation(const void *pointer, size_t size); // one that holds it all
Allocation *nearest_allocation(const void *pointer);
void forget_shadows();
bool is_device(const void *pointer);
bool is_pinned(const void *pointer);
void open_device();
void close_device();
void shut_device(); // what the above may have left open

// ---- graph.cc
struct Device {
    int arch, shared_per_block, shared, multiprocessors, threads, cache;
};
const Device &device();

// ---- stream.cc
struct Api { // held by every call of the API
    std::unique_lock<std::recursive_mutex> lock;
    cudaError_t error; // that the call must return, because nothing works any more
    Api();
};
cudaError_t unavailable(); // what every call says if there is no device, or success
cudaError_t set_error(cudaError_t error); // remembered for cudaGetLastError, and returned
void set_sticky(cudaError_t error);
cudaError_t sticky_error();
cudaError_t result_of_waiting();
void drain_all();
bool forbidden_while_capturing();
} // namespace cudasim
#pragma GCC visibility pop

#endif
