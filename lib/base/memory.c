/* memory.c: the only file that asks the system for memory. Every allocation is counted
 * and can be made to fail (faults.c). */
#include "base/base.h"
#include <stdatomic.h>
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

// For tests only: how many allocations live.
static atomic_long live;
static atomic_size_t bytes_live, bytes_peak;

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

    if (rj_fault_due(RJ_FAULT_MEMORY) || bytes == ALIGN)
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
    return rj_fault_at(RJ_FAULT_MEMORY, n, NULL);
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

enum { HEAD = 64 }; /* of a block of the heap, whose bytes are aligned */
_Static_assert(sizeof(rj_block) <= HEAD, "a block's head");

static void chain_free(rj_chain *chain, const rj_source *source)
{
    while (chain->first) {
        rj_block *const block = chain->first;

        chain->first = block->next;
        if (source)
            source->give(source->self, block->bytes);
        rj_free(block);
    }
    chain->total = 0;
}

/* A block of this size, in no chain yet. */
static rj_block *block_alone(const rj_source *source, size_t size)
{
    rj_block *block = rj_alloc(1, source ? sizeof *block : HEAD + size);

    if (!block)
        return NULL;
    block->size = size;
    block->bytes = (unsigned char *)block + HEAD;
    if (source)
        block->bytes = source->take(source->self, size);
    if (block->bytes)
        return block;
    rj_free(block);
    return NULL;
}

/* A new newest block with room for at least `size` bytes. */
static rj_block *block_new(rj_chain *chain, const rj_source *source, size_t size)
{
    const size_t twice = chain->first ? 2 * chain->first->size : SMALLEST_BLOCK;
    const bool alone = size >= LARGEST_STEP / 4;
    const size_t room = alone ? size : RJ_MIN(RJ_MAX(twice, size), (size_t)LARGEST_STEP);
    rj_block *block = block_alone(source, room), **at;

    if (!block)
        return NULL;
    // one that is full at once goes behind the newest, which stays in use
    at = chain->first && alone ? &chain->first->next : &chain->first;
    block->next = *at;
    *at = block;
    return block;
}

static void *chain_take(rj_arena *arena, rj_chain *chain, const rj_source *source,
                        size_t bytes)
{
    rj_block *block = chain->first;
    void *memory;

    if (!bytes)
        return NULL;
    if (!block || block->size - block->used < bytes)
        block = block_new(chain, source, bytes);
    if (!block)
        return NULL;
    memory = block->bytes + block->used;
    block->used += bytes;
    chain->total += bytes;
    arena->peak = RJ_MAX(arena->peak, arena->heap.total + arena->away.total);
    return memory;
}

void *rj_arena_take_raw(rj_arena *arena, size_t n, size_t each)
{
    return chain_take(arena, &arena->heap, NULL, bytes_of(n, each));
}

void *rj_arena_take_from(rj_arena *arena, const rj_source *source, size_t n, size_t each)
{
    if (!source)
        return rj_arena_take_raw(arena, n, each);
    arena->source = source;
    return chain_take(arena, &arena->away, source, bytes_of(n, each));
}

static bool chain_follows(const rj_chain *chain, const void *end, size_t bytes)
{
    const rj_block *block = chain->first;

    return block && block->bytes + block->used == end &&
           block->size - block->used >= bytes;
}

bool rj_arena_follows(const rj_arena *arena, const void *end, size_t n, size_t each)
{
    return chain_follows(&arena->heap, end, bytes_of(n, each)) ||
           chain_follows(&arena->away, end, bytes_of(n, each));
}

void *rj_arena_take(rj_arena *arena, size_t n, size_t each)
{
    void *const memory = rj_arena_take_raw(arena, n, each);

    return memory ? memset(memory, 0, n * each) : NULL;
}

/* Several blocks become one that holds all: the next round then takes from it alone. If
 * there is no memory for that, the chain is empty and grows again. */
static void chain_reset(rj_chain *chain, const rj_source *source)
{
    rj_block *block = chain->first;

    if (block && block->next) {
        const size_t total = chain->total;
        chain_free(chain, source);
        block = block_new(chain, source, total);
    }
    if (block)
        block->used = 0;
    chain->total = 0;
}

void rj_arena_reset(rj_arena *arena)
{
    chain_reset(&arena->heap, NULL);
    chain_reset(&arena->away, arena->source);
}

void rj_arena_free(rj_arena *arena)
{
    chain_free(&arena->heap, NULL);
    chain_free(&arena->away, arena->source);
}
