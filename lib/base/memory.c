/* memory.c: the only file that asks the system for memory. Every allocation is counted
 * and can be made to fail, so that tests can walk through each of them. */
#include "base/base.h"
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
    ALIGN = 64,
    PAGE_BYTES = 64 << 10,
    HUGE_BYTES = 2 << 20,
    SMALLEST_BLOCK = 64 << 10
};
#if defined(__has_feature)
#    if __has_feature(address_sanitizer)
#        define __SANITIZE_ADDRESS__ 1 /* as gcc has it */
#    endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#    define PAGES_FROM SIZE_MAX /* the sanitizer watches the heap */
#else
#    define PAGES_FROM HUGE_BYTES
#endif
enum { LARGEST_STEP = 4 << 20 }; /* a block is larger only where one piece of it is */

// For tests only: how many allocations until one fails, how many were made, how many
// live.
static atomic_long until_failure, made, live;
static atomic_size_t bytes_live, bytes_peak;

/* Is this the allocation that has to fail? */
static bool refused(void)
{
    atomic_fetch_add(&made, 1);
    if (atomic_load(&until_failure) <= 0)
        return false;
    return atomic_fetch_sub(&until_failure, 1) == 1;
}

/* Bytes of n things of `each` bytes, rounded up to ALIGN; 0 if that is no size. */
static size_t bytes_of(size_t n, size_t each)
{
    size_t bytes = 0;

    if (__builtin_mul_overflow(n, each, &bytes) || bytes > (SIZE_MAX >> 2))
        return 0;
    return RJ_MAX((bytes + ALIGN - 1) & ~(size_t)(ALIGN - 1), (size_t)ALIGN);
}

/* What lies before every piece of memory. Large pieces are pages of their own, on huge
 * pages if the system has them, and go back to it at once: the heap would keep them. */
typedef struct head {
    size_t bytes; /* all that is taken, for the count */
    size_t pages; /* bytes of pages; 0: from the heap */
} head;

static head *head_of(void *memory)
{
    return (head *)(void *)((unsigned char *)memory - ALIGN);
}

static void count_in(size_t size)
{
    const size_t now = atomic_fetch_add(&bytes_live, size) + size;
    size_t peak = atomic_load(&bytes_peak);

    atomic_fetch_add(&live, 1);
    while (now > peak && !atomic_compare_exchange_weak(&bytes_peak, &peak, now))
        ;
}

/* Pages for so many bytes from a multiple of HUGE_BYTES on, zero; NULL if there are none.
 * What lies before and behind them goes back at once: the system counts mappings. */
static head *pages(size_t bytes)
{
    const size_t size = (bytes + PAGE_BYTES - 1) & ~(size_t)(PAGE_BYTES - 1);
    unsigned char *map = mmap(NULL, size + HUGE_BYTES, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    size_t before;
    head *h;

    if (map == MAP_FAILED)
        return NULL;
    before = -(uintptr_t)map & (HUGE_BYTES - 1);
    if (before)
        munmap(map, before);
    munmap(map + before + size, HUGE_BYTES - before);
    h = (head *)(void *)(map + before);
    madvise(h, size, MADV_HUGEPAGE);
    *h = (head){bytes, size};
    return h;
}

/* The same from the heap. */
static head *heap(size_t bytes)
{
    head *h = aligned_alloc(ALIGN, bytes);

    if (h)
        *(head *)memset(h, 0, bytes) = (head){bytes, 0};
    return h;
}

void *rj_alloc(size_t n, size_t each)
{
    const size_t bytes = bytes_of(n, each) + ALIGN;
    head *h;

    if (refused() || bytes == ALIGN)
        return NULL;
    h = bytes >= PAGES_FROM ? pages(bytes) : NULL;
    if (!h)
        h = heap(bytes);
    if (!h)
        return NULL;
    count_in(bytes);
    return (unsigned char *)h + ALIGN;
}

void rj_free(void *memory)
{
    head *h;

    if (!memory)
        return;
    h = head_of(memory);
    atomic_fetch_sub(&live, 1);
    atomic_fetch_sub(&bytes_live, h->bytes);
    if (h->pages)
        munmap(h, h->pages);
    else
        free(h);
}

char *rj_strdup(const char *text)
{
    const size_t n = strlen(text) + 1;
    char *copy = rj_alloc(n, 1);

    return copy ? memcpy(copy, text, n) : NULL;
}

rij_status rj_grow(void **array, int *room, int need, size_t each)
{
    const int most = 1 << 30;
    int more = RJ_MAX(*room, 8);
    void *bigger;

    if (need <= *room)
        return RIJ_OK;
    RJ_REQUIRE(need <= most, RIJ_E_MEMORY, "an array of %d elements is too long", need);
    while (more < need)
        more *= 2;
    bigger = rj_alloc((size_t)more, each);
    RJ_REQUIRE(bigger, RIJ_E_MEMORY, "no memory for an array of %d elements of %zu bytes",
               more, each);
    if (*array)
        memcpy(bigger, *array, (size_t)*room * each);
    rj_free(*array);
    *array = bigger;
    *room = more;
    return RIJ_OK;
}

long rj_memory_fail_at(long n)
{
    atomic_store(&until_failure, n);
    return atomic_exchange(&made, 0);
}

long rj_memory_live(void)
{
    return atomic_load(&live);
}

size_t rj_memory_bytes(void)
{
    return atomic_load(&bytes_live);
}

size_t rj_memory_peak(void)
{
    return atomic_exchange(&bytes_peak, atomic_load(&bytes_live));
}

/* A new newest block with room for at least `size` bytes. */
static rj_block *block_new(rj_arena *arena, size_t size)
{
    const size_t twice = arena->first ? 2 * arena->first->size : SMALLEST_BLOCK;
    const bool alone = size >= LARGEST_STEP / 4;
    const size_t room = alone ? size : RJ_MIN(RJ_MAX(twice, size), (size_t)LARGEST_STEP);
    rj_block *block = rj_alloc(1, sizeof *block + room), **at;

    if (!block)
        return NULL;
    block->size = room;
    // one that is full at once goes behind the newest, which stays in use
    at = arena->first && alone ? &arena->first->next : &arena->first;
    block->next = *at;
    *at = block;
    return block;
}

void *rj_arena_take_raw(rj_arena *arena, size_t n, size_t each)
{
    const size_t bytes = bytes_of(n, each);
    rj_block *block = arena->first;
    void *memory;

    if (!bytes)
        return NULL;
    if (!block || block->size - block->used < bytes)
        block = block_new(arena, bytes);
    if (!block)
        return NULL;
    memory = block->bytes + block->used;
    block->used += bytes;
    arena->total += bytes;
    arena->peak = RJ_MAX(arena->peak, arena->total);
    return memory;
}

bool rj_arena_follows(const rj_arena *arena, const void *end, size_t n, size_t each)
{
    const rj_block *block = arena->first;

    return block && block->bytes + block->used == end &&
           block->size - block->used >= bytes_of(n, each);
}

void *rj_arena_take(rj_arena *arena, size_t n, size_t each)
{
    void *const memory = rj_arena_take_raw(arena, n, each);

    return memory ? memset(memory, 0, n * each) : NULL;
}

/* Several blocks become one that holds all: the next round then takes from it alone. If
 * there is no memory for that, the arena is empty and grows again. */
void rj_arena_reset(rj_arena *arena)
{
    rj_block *block = arena->first;

    if (block && block->next) {
        const size_t total = arena->total;
        rj_arena_free(arena);
        block = block_new(arena, total);
    }
    if (block)
        block->used = 0;
    arena->total = 0;
}

void rj_arena_free(rj_arena *arena)
{
    while (arena->first) {
        rj_block *next = arena->first->next;
        rj_free(arena->first);
        arena->first = next;
    }
    arena->total = 0;
}
