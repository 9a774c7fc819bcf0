/* Fibers: a stack for each CUDA thread of a block, the switch between them, and the queue
 * of those that may run, in the order that the settings ask for.
 *
 * A stack starts at an address that differs from the next one's by more than its size, so
 * that what all threads keep at their stacks' tops does not compete for the same few sets
 * of the processor's caches. The page below each stack is a guard. */
#include "simulator.h"
#include <stdio.h>
#include <stdlib.h>
#include <string>
#include <sys/mman.h>
#include <vector>
#if !defined(__x86_64__)
#    define CUDASIM_UCONTEXT 1
#endif
#ifdef CUDASIM_UCONTEXT
#    include <ucontext.h>
#endif

namespace cudasim
{
Machine machine;

constexpr unsigned queue_size = 2048; // a power of two, more than max_threads
static Thread *queue[queue_size];
static unsigned queue_head, queue_count;
static Thread host; // who entered

#ifndef CUDASIM_UCONTEXT
extern "C" void cudasim_switch(void **save, void *to);
extern "C" void cudasim_start();
asm(R"(
.text
.globl cudasim_switch
.hidden cudasim_switch
.type cudasim_switch,@function
cudasim_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp,(%rdi)
    movq %rsi,%rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
.size cudasim_switch,.-cudasim_switch
)");

extern "C" __attribute__((visibility("hidden"))) void cudasim_start()
{
    run_thread();
}

static inline void switch_to(Thread *from, Thread *to)
{
    statistics.switches++;
    cudasim_switch(&from->stack_pointer, to->stack_pointer);
}

void start_fiber(Thread *thread)
{
    const uintptr_t top = machine.stacks + (thread->linear + 1) * stack_size;
    void **stack = (void **)(top - 64 - (thread->linear * 320 & 0x7fff));

    *--stack = nullptr;               // cudasim_start returns to nobody
    *--stack = (void *)cudasim_start; // ret of the switch goes there
    for (int i = 0; i < 6; i++)
        *--stack = nullptr;
    thread->stack_pointer = stack;
}
#else
static void context_start()
{
    run_thread();
}

static inline void switch_to(Thread *from, Thread *to)
{
    statistics.switches++;
    swapcontext((ucontext_t *)from->context, (ucontext_t *)to->context);
}

void start_fiber(Thread *thread)
{
    ucontext_t *context = (ucontext_t *)thread->context;

    getcontext(context);
    context->uc_stack.ss_sp =
        (void *)(machine.stacks + thread->linear * stack_size + 4096);
    context->uc_stack.ss_size = stack_size - 4096 - (thread->linear * 320 & 0x7fff);
    context->uc_link = nullptr;
    makecontext(context, context_start, 0);
}
#endif

void make_fibers()
{
    if (machine.stacks)
        return;
    const size_t size = max_threads * stack_size;
    char *p = (char *)mmap(nullptr, size + stack_size, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (p == MAP_FAILED) {
        fprintf(stderr, "cudasim: no address space for %u stacks\n", max_threads);
        abort();
    }
    machine.stacks = ((uintptr_t)p + stack_size - 1) & ~(stack_size - 1);
    for (unsigned i = 0; i < max_threads; i++) {
        Thread &thread = machine.thread[i];
        mprotect((void *)(machine.stacks + i * stack_size), 4096, PROT_NONE);
        thread.linear = i;
        thread.lane = i & 31;
        thread.warp = i >> 5;
#ifdef CUDASIM_UCONTEXT
        thread.context = new ucontext_t;
#endif
    }
#ifdef CUDASIM_UCONTEXT
    host.context = new ucontext_t;
#endif
}

void clear_ready()
{
    queue_head = queue_count = 0;
}

void push_ready(Thread *thread)
{
    thread->state = ready;
    queue[(queue_head + queue_count++) & (queue_size - 1)] = thread;
}

static Thread *pick()
{
    if (!queue_count)
        return nullptr;
    queue_count--;
    if (settings.order == CUDASIM_DESCENDING)
        return queue[(queue_head + queue_count) & (queue_size - 1)];
    Thread **head = &queue[queue_head];
    Thread *picked = *head;
    if (settings.order == CUDASIM_RANDOM) {
        const unsigned k = random_number() % (queue_count + 1);
        Thread **chosen = &queue[(queue_head + k) & (queue_size - 1)];
        picked = *chosen;
        *chosen = *head;
    }
    queue_head = (queue_head + 1) & (queue_size - 1);
    return picked;
}

/* Nobody can run: who waits for what. */
[[noreturn]] static void report_standstill()
{
    struct Group {
        std::string what, who;
    };
    std::vector<Group> groups;
    std::string text;

    for (unsigned i = 0; i < block.threads; i++) {
        const Thread &thread = machine.thread[i];
        std::string what = "exited";
        if (thread.state != done)
            what = std::string(thread.state == at_barrier ? "at block barrier "
                                                          : "at warp operation ") +
                   (thread.where ? thread.where : "?");
        size_t g = 0;
        while (g < groups.size() && groups[g].what != what)
            g++;
        if (g == groups.size())
            groups.push_back({what, ""});
        if (groups[g].who.size() < 60)
            groups[g].who += " " + std::to_string(i);
        else if (groups[g].who.back() != '.')
            groups[g].who += " ...";
    }
    for (const Group &group : groups)
        text += "\n    " + group.what + ": threads" + group.who;
    const uint3 b = machine.block_index;
    fail("divergence", "block (%u,%u,%u) can make no progress:%s", b.x, b.y, b.z,
         text.c_str());
}

void suspend(Thread *thread)
{
    Thread *next = pick();

    if (!next)
        report_standstill();
    if (next != thread)
        switch_to(thread, next);
}

void finish(Thread *thread)
{
    Thread *next = pick();

    thread->state = done;
    if (!next && block.alive)
        report_standstill();
    switch_to(thread, next ? next : &host);
    abort();
}

void enter_fibers()
{
    switch_to(&host, pick());
}

void leave_fibers()
{
    static Thread nobody;
#ifdef CUDASIM_UCONTEXT
    static ucontext_t context;
    nobody.context = &context;
#endif
    switch_to(&nobody, &host);
    abort();
}

void maybe_yield()
{
    if (settings.order != CUDASIM_RANDOM || (random_number() & 3))
        return;
    Thread *me = self();
    push_ready(me);
    suspend(me);
}
} // namespace cudasim
