/* test_memory.c: what is large: pieces that are pages of their own, an arena's pieces
 * that get a block of their own, zeros that several threads write. */
#include "device/device.h"
#include "test.h"
#include <string.h>

static bool all_are(const unsigned char *byte, size_t n, unsigned char what)
{
    while (n > 0 && byte[n - 1] == what)
        n--;
    return n == 0;
}

/* The second round may get the pages that the first one soiled. */
START_TEST(a_large_piece_is_zero_and_aligned_every_time)
{
    static const size_t sizes[] = {(2 << 20) - 64, 2 << 20, (2 << 20) + 1, 5000001};
    const long live = rj_memory_live();
    const size_t bytes = rj_memory_bytes();

    for (int round = 0; round < 3; round++)
        for (int k = 0; k < RJ_COUNT(sizes); k++) {
            unsigned char *a = rj_alloc(sizes[k], 1), *b = rj_alloc(1, sizes[k]);
            ck_assert_ptr_nonnull(a);
            ck_assert_ptr_nonnull(b);
            ck_assert_uint_eq((uintptr_t)a % 64, 0);
            ck_assert_uint_eq((uintptr_t)b % 64, 0);
            ck_assert(all_are(a, sizes[k], 0));
            memset(a, 0xff, sizes[k]); // to its last byte
            ck_assert(all_are(b, sizes[k], 0));
            memset(b, 0xff, sizes[k]);
            rj_free(a);
            ck_assert(all_are(b, sizes[k], 0xff));
            rj_free(b);
        }
    ck_assert_int_eq(rj_memory_live(), live);
    ck_assert_uint_eq(rj_memory_bytes(), bytes);
}
END_TEST

START_TEST(a_large_piece_of_an_arena_leaves_the_newest_block_in_use)
{
    static const size_t sizes[] = {1 << 20, (1 << 20) + 1, 5000001};
    rj_arena arena = {0};
    unsigned char *first = rj_arena_take(&arena, 100, 1), *next = first + 128;
    rj_block *newest = arena.heap.first;

    for (int k = 0; k < RJ_COUNT(sizes); k++) {
        unsigned char *large = rj_arena_take(&arena, sizes[k], 1), *small;
        ck_assert_ptr_nonnull(large);
        ck_assert_uint_eq((uintptr_t)large % 64, 0);
        ck_assert(all_are(large, sizes[k], 0));
        memset(large, 0xff, sizes[k]);
        ck_assert_ptr_eq(arena.heap.first, newest);
        small = rj_arena_take(&arena, 64, 1);
        ck_assert_ptr_eq(small, next);
        ck_assert(all_are(small, 64, 0));
        next += 64;
    }
    memset(first, 0xff, 128 + 64 * RJ_COUNT(sizes));
    rj_arena_reset(&arena);
    ck_assert_ptr_null(arena.heap.first->next);
    first = rj_arena_take(&arena, sizes[RJ_COUNT(sizes) - 1], 1); // and first of all
    ck_assert(all_are(first, sizes[RJ_COUNT(sizes) - 1], 0));
    rj_arena_free(&arena);
    first = rj_arena_take(&arena, 1 << 20, 1); // now there is no newest block yet
    ck_assert(all_are(first, 1 << 20, 0));
    next = rj_arena_take(&arena, 64, 1);
    ck_assert(all_are(next, 64, 0));
    rj_arena_free(&arena);
}
END_TEST

/* With sentinels on both sides: 2^18 numbers are one piece of a thread. */
static void check_zeros(rj_device *dev, size_t n)
{
    enum { BESIDE = 64 };
    const size_t all = n + 2 * BESIDE;
    rj_real *x = rj_alloc(all, sizeof *x);

    for (size_t i = 0; i < all; i++)
        x[i] = 7;
    OK(rj_zero(dev, x + BESIDE, n));
    for (size_t i = 0; i < all; i++)
        ck_assert_msg(x[i] == (i < BESIDE || i >= BESIDE + n ? 7 : 0),
                      "of %zu numbers, number %td is %g", n, (ptrdiff_t)i - BESIDE,
                      (double)x[i]);
    rj_free(x);
}

START_TEST(zeros_are_written_where_they_are_wanted_and_nowhere_else)
{
    static const size_t sizes[] = {0, 1, (1 << 18) - 1, 1 << 18, (1 << 18) + 1};

    for (int threads = 1; threads <= 3; threads += 2) {
        rj_device *dev;
        rj_pool *pool;

        OK(rj_pool_new(threads, &pool));
        OK(rj_device_open("cpu", pool, &dev));
        for (int k = 0; k < RJ_COUNT(sizes); k++)
            check_zeros(dev, sizes[k]);
        rj_device_close(dev);
        rj_pool_free(pool);
    }
}
END_TEST

SUITE(memory, a_large_piece_is_zero_and_aligned_every_time,
      a_large_piece_of_an_arena_leaves_the_newest_block_in_use,
      zeros_are_written_where_they_are_wanted_and_nowhere_else)
