/* test_base.c: the base layer: messages, memory, random numbers, files. */
#include "test.h"
#include <ftw.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- messages --------------------------------------------------------------------- */

START_TEST(a_message_is_one_line_of_at_most_255_bytes)
{
    char long_text[600];

    memset(long_text, 'x', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = 0;
    ck_assert_int_eq(rj_fail(RIJ_E_FILE, "two\nlines"), RIJ_E_FILE);
    ck_assert_str_eq(rij_last_error(), "two lines");
    rj_fail(RIJ_E_FILE, "%s", long_text);
    ck_assert_uint_eq(strlen(rij_last_error()), 255);
    rj_fail(RIJ_E_FILE, "again: %s", rij_last_error()); // the old message as an argument
    ck_assert_int_eq(strncmp(rij_last_error(), "again: xxx", 10), 0);
    ck_assert_str_eq(rij_status_name(RIJ_E_SHAPE), "RIJ_E_SHAPE");
    ck_assert_str_eq(rij_status_name((rij_status)9), "RIJ_UNKNOWN");
}
END_TEST

/* ---- memory ----------------------------------------------------------------------- */

static bool all_zero(const void *memory, size_t n)
{
    const unsigned char *byte = memory;

    while (n > 0 && byte[n - 1] == 0)
        n--;
    return n == 0;
}

START_TEST(allocations_are_zeroed_aligned_counted_and_can_be_made_to_fail)
{
    const long live = rj_memory_live();
    unsigned char *a = rj_alloc(1000, 3), *b, *c;

    ck_assert_ptr_nonnull(a);
    ck_assert_uint_eq((uintptr_t)a % 64, 0);
    ck_assert(all_zero(a, 3000));
    ck_assert_ptr_null(rj_alloc(SIZE_MAX / 2, 3)); // the product overflows
    ck_assert_ptr_null(rj_alloc(SIZE_MAX, 1));
    rj_memory_fail_at(2);
    b = rj_alloc(1, 1);
    c = rj_alloc(1, 1);
    ck_assert_ptr_nonnull(b);
    ck_assert_ptr_null(c);
    c = rj_alloc(1, 1); // only that one fails
    ck_assert_ptr_nonnull(c);
    ck_assert_int_eq(rj_memory_fail_at(0), 3);
    ck_assert_int_eq(rj_memory_live(), live + 3);
    rj_free(a);
    rj_free(b);
    rj_free(c);
    rj_free(NULL);
    ck_assert_int_eq(rj_memory_live(), live);
}
END_TEST

START_TEST(a_growing_array_keeps_what_it_holds)
{
    int *array = NULL;
    int room = 0;

    for (int i = 0; i < 100; i++) {
        OK(rj_grow((void **)&array, &room, i + 1, sizeof *array));
        ck_assert_int_ge(room, i + 1);
        ck_assert_int_eq(array[i], 0);
        array[i] = i;
    }
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(array[i], i);
    rj_memory_fail_at(1);
    FAILS(rj_grow((void **)&array, &room, 1000, sizeof *array), RIJ_E_MEMORY);
    ck_assert_int_eq(room, 128);
    ck_assert_int_eq(array[99], 99);
    FAILS(rj_grow((void **)&array, &room, INT32_MAX, sizeof *array), RIJ_E_MEMORY);
    rj_free(array);
}
END_TEST

/* Take pieces of growing size and soil them. */
static void use(rj_arena *arena)
{
    for (size_t n = 1; n < 3000000; n = 3 * n + 1) {
        unsigned char *memory = rj_arena_take(arena, n, 1);
        ck_assert_ptr_nonnull(memory);
        ck_assert_uint_eq((uintptr_t)memory % 64, 0);
        ck_assert(all_zero(memory, n));
        memset(memory, 0xff, n);
    }
}

START_TEST(live_bytes_and_their_peak_are_known)
{
    const size_t before = rj_memory_bytes();
    void *a = rj_alloc(1000, 100), *b = rj_alloc(1, 5000000);

    ck_assert_uint_ge(rj_memory_bytes() - before, 5100000);
    ck_assert_uint_lt(rj_memory_bytes() - before, 5100000 + (4 << 20)); // huge pages
    rj_free(b);
    ck_assert_uint_lt(rj_memory_bytes() - before, 110000);
    ck_assert_uint_ge(rj_memory_peak() - before, 5100000);
    ck_assert_uint_eq(rj_memory_peak(), rj_memory_bytes()); // since the call before
    rj_free(a);
    rj_free(NULL);
    ck_assert_uint_eq(rj_memory_bytes(), before);
}
END_TEST

START_TEST(an_arena_allocates_nothing_after_its_first_round)
{
    const long live = rj_memory_live();
    rj_arena arena = {0};
    size_t total;

    use(&arena);
    ck_assert_ptr_nonnull(arena.heap.first->next); // several blocks
    total = arena.heap.total;
    rj_arena_reset(&arena);
    ck_assert_uint_eq(arena.heap.total, 0);
    ck_assert_uint_eq(arena.peak, total);
    ck_assert_ptr_null(arena.heap.first->next); // merged into one
    rj_memory_fail_at(0);
    for (int i = 0; i < 3; i++) {
        use(&arena);
        rj_arena_reset(&arena);
    }
    ck_assert_int_eq(rj_memory_fail_at(0), 0);
    ck_assert_int_eq(*(unsigned char *)rj_arena_take_raw(&arena, 1, 1), 0xff);
    ck_assert_ptr_null(rj_arena_take(&arena, SIZE_MAX / 2, 4));
    rj_memory_fail_at(1);
    ck_assert_ptr_null(rj_arena_take(&arena, 1, 100000000));
    ck_assert_ptr_nonnull(rj_arena_take(&arena, 1, 100)); // and goes on
    rj_arena_free(&arena);
    ck_assert_int_eq(rj_memory_live(), live);
}
END_TEST

/* ---- random numbers --------------------------------------------------------------- */

/* Known answers of philox4x32-10, as published with Random123 (kat_vectors). */
START_TEST(philox_gives_the_published_answers)
{
    static const struct {
        uint32_t counter[4], key[2], out[4];
    } known[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, // digits of pi
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    rj_random r = {0, 0, 0};

    for (int i = 0; i < RJ_COUNT(known); i++) {
        uint32_t out[4];
        rj_philox(known[i].counter, known[i].key, out);
        ck_assert_mem_eq(out, known[i].out, sizeof out);
    }
    ck_assert_uint_eq(rj_random_bits(&r), 0x6627e8d5e169c58du); // two numbers a block
    ck_assert_uint_eq(rj_random_bits(&r), 0xbc57ac4c9b00dbd8u);
}
END_TEST

START_TEST(a_random_number_depends_on_seed_stream_and_index_alone)
{
    rj_random a = rj_random_start(7, RJ_STREAM_TEST, 3), later = a;
    rj_random seed = rj_random_start(8, RJ_STREAM_TEST, 3);
    rj_random purpose = rj_random_start(7, RJ_STREAM_VIEW, 3);
    rj_random counter = rj_random_start(7, RJ_STREAM_TEST, 4);
    uint64_t number[5];

    for (int i = 0; i < 5; i++)
        number[i] = rj_random_bits(&a);
    later.index = 4;
    ck_assert_uint_eq(rj_random_bits(&later), number[4]);
    ck_assert_uint_ne(rj_random_bits(&seed), number[0]);
    ck_assert_uint_ne(rj_random_bits(&purpose), number[0]);
    ck_assert_uint_ne(rj_random_bits(&counter), number[0]);
}
END_TEST

/* Bounds are five standard errors of the moment in question. */
START_TEST(random_numbers_have_the_moments_they_should)
{
    enum { N = 200000, SIDES = 6 };
    rj_random r = rj_random_start(1, RJ_STREAM_TEST, 0);
    double sum = 0, square = 0, normal = 0, normal_square = 0;
    int count[SIDES] = {0};

    for (int i = 0; i < N; i++) {
        const double u = rj_random_uniform(&r, 2, 4), z = rj_random_normal(&r);
        const int k = rj_random_below(&r, SIDES);
        ck_assert(u >= 2 && u < 4 && k >= 0 && k < SIDES && isfinite(z));
        sum += u;
        square += (u - 3) * (u - 3);
        normal += z;
        normal_square += z * z;
        count[k]++;
    }
    ck_assert_double_lt(fabs(sum / N - 3), 5 * sqrt(1.0 / 3 / N));
    ck_assert_double_lt(fabs(square / N - 1.0 / 3), 5 * sqrt(4.0 / 45 / N));
    ck_assert_double_lt(fabs(normal / N), 5 / sqrt(N));
    ck_assert_double_lt(fabs(normal_square / N - 1), 5 * sqrt(2.0 / N));
    for (int k = 0; k < SIDES; k++)
        ck_assert_double_lt(fabs(count[k] - (double)N / SIDES), 5 * sqrt(N * 5.0 / 36));
}
END_TEST

/* The formula in double; float32 is held to 4 units of the radius's last place. */
START_TEST(normal_numbers_in_bulk_have_the_same_bits_everywhere)
{
    enum { N = 4001 };
    const double pi = 3.14159265358979323846;
    rj_random r = rj_random_start(1, RJ_STREAM_TEST, 2), s;
    float all[N], part[N];

    r.index = ((uint64_t)1 << 33) - 101; // odd, and a block's number outgrows 32 bits
    s = r;
    rj_random_normals(&s, N, all);
    ck_assert_uint_eq(s.index, r.index + (N + 1) / 2);
    s = r;
    for (int i = 0; i < N; i += 2 * (i % 50) + 2) // any even number at a time
        rj_random_normals(&s, (size_t)RJ_MIN(N - i, 2 * (i % 50) + 2), part + i);
    ck_assert_mem_eq(all, part, sizeof all);
    for (int i = 0; i < N; i += 2) {
        const uint64_t bits = rj_random_bits(&r);
        const double u = (double)((bits >> 40) + 1) / 16777216;
        const double v = (double)(bits & 0xffffff) / 16777216;
        const double radius = sqrt(-2 * log(u)), near = radius * 4 * 0x1p-23;

        ck_assert_double_le(fabs((double)all[i] - radius * cos(2 * pi * v)), near);
        if (i + 1 < N)
            ck_assert_double_le(fabs((double)all[i + 1] - radius * sin(2 * pi * v)),
                                near);
    }
    ck_assert_uint_eq(rj_hash(all, sizeof all, 0), 18245876683103322488u);
}
END_TEST

START_TEST(a_shuffle_is_a_permutation)
{
    rj_random r = rj_random_start(1, RJ_STREAM_TEST, 0);
    int items[100], seen[100] = {0}, moved = 0;

    for (int i = 0; i < 100; i++)
        items[i] = i;
    rj_random_shuffle(&r, items, 100);
    for (int i = 0; i < 100; i++) {
        seen[items[i]]++;
        moved += items[i] != i;
    }
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(seen[i], 1);
    ck_assert_int_gt(moved, 80);
    rj_random_shuffle(&r, items, 0);
}
END_TEST

START_TEST(a_hash_changes_with_every_bit_and_with_its_seed)
{
    unsigned char bytes[16] = "abcdefghijklmno";
    const uint64_t h = rj_hash(bytes, sizeof bytes, 0);

    ck_assert_uint_ne(h, rj_hash(bytes, sizeof bytes, 1));
    ck_assert_uint_ne(h, rj_hash(bytes, sizeof bytes - 1, 0));
    for (int bit = 0; bit < 128; bit++) {
        bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
        ck_assert_uint_ne(h, rj_hash(bytes, sizeof bytes, 0));
        bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
    ck_assert_uint_eq(h, rj_hash(bytes, sizeof bytes, 0));
}
END_TEST

/* ---- files ------------------------------------------------------------------------ */

static char root[200];

static int remove_one(const char *path, const struct stat *s, int type, struct FTW *f)
{
    (void)s;
    (void)type;
    (void)f;
    return remove(path);
}

static void root_make(void)
{
    const char *base = getenv("TMPDIR");

    snprintf(root, sizeof root, "%.150s/rj_base_XXXXXX", base && *base ? base : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(root));
    ck_assert_int_eq(chdir(root), 0);
}

static void root_remove(void)
{
    ck_assert_int_eq(chdir("/"), 0);
    ck_assert_int_eq(nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

START_TEST(a_file_is_replaced_as_a_whole_and_read_up_to_a_limit)
{
    unsigned char *bytes = NULL;
    rj_list list;
    size_t n = 0;

    root_make();
    OK(rj_file_write("a", "first", 5));
    OK(rj_file_write("a", "second one", 10));
    OK(rj_file_read("a", 10, &bytes, &n));
    ck_assert_uint_eq(n, 10);
    ck_assert_str_eq((char *)bytes, "second one"); // the zero byte is there
    rj_free(bytes);
    bytes = NULL;
    FAILS(rj_file_read("a", 9, &bytes, &n), RIJ_E_FILE);
    FAILS(rj_file_read("b", 9, &bytes, &n), RIJ_E_FILE);
    FAILS(rj_file_read(".", 9, &bytes, &n), RIJ_E_FILE);
    rj_memory_fail_at(1);
    FAILS(rj_file_read("a", 10, &bytes, &n), RIJ_E_MEMORY);
    ck_assert_ptr_null(bytes);
    OK(rj_folder_make("folder"));
    FAILS(rj_file_write("folder", "x", 1), RIJ_E_FILE); // the rename fails
    FAILS(rj_file_write("none/a", "x", 1), RIJ_E_FILE);
    OK(rj_folder_list(".", &list)); // and nothing lies beside
    ck_assert_int_eq(list.n, 1);
    ck_assert_str_eq(list.path[0], "./a");
    rj_list_free(&list);
    root_remove();
}
END_TEST

START_TEST(files_are_replaced_together_or_not_at_all)
{
    const rj_file_text good[] = {{"a", "new", 3}, {"b", "", 0}};
    const rj_file_text bad[] = {{"a", "newer", 5}, {"none/b", "x", 1}, {"c", "x", 1}};
    unsigned char *bytes = NULL;
    rj_list list;
    size_t n = 0;

    root_make();
    OK(rj_file_write("a", "old", 3));
    OK(rj_files_write(2, good));
    FAILS(rj_files_write(3, bad), RIJ_E_FILE);
    OK(rj_file_read("a", 10, &bytes, &n));
    ck_assert_str_eq((char *)bytes, "new");
    rj_free(bytes);
    OK(rj_folder_list(".", &list));
    ck_assert_int_eq(list.n, 2);
    rj_list_free(&list);
    root_remove();
}
END_TEST

START_TEST(text_grows_and_tells_when_memory_ran_out)
{
    static const struct {
        double x;
        int decimals;
        const char *text;
    } numbers[] = {{0.25, 2, "0.25"},   {-1.005, 1, "-1.0"}, {-0.04, 1, "0.0"},
                   {1234.5, 0, "1235"}, {NAN, 3, "-"},       {INFINITY, 3, "-"}};
    rj_text t = {0};

    for (int i = 0; i < RJ_COUNT(numbers); i++) {
        rj_text_fixed(&t, numbers[i].x, numbers[i].decimals);
        ck_assert_str_eq(t.bytes, numbers[i].text);
        rj_text_free(&t);
    }
    rj_text_count(&t, 1073937);
    rj_text_say(&t, " of %d", 7);
    ck_assert_str_eq(t.bytes, "1,073,937 of 7");
    OK(rj_text_done(&t));
    rj_memory_fail_at(1);
    for (int i = 0; i < 1000; i++)
        rj_text_put(&t, "more and more ");
    rj_memory_fail_at(0);
    FAILS(rj_text_done(&t), RIJ_E_MEMORY);
    rj_text_put(&t, "!"); // no hole: nothing follows what is missing
    ck_assert_ptr_null(strchr(t.bytes, '!'));
    rj_text_free(&t);
    ck_assert(rj_utf8("a") == 1 && rj_utf8("\xc3\xa9") == 2 && rj_utf8("\xc3") == 0 &&
              rj_utf8("\xed\xa0\x80") == 0 && rj_utf8("\xf0\x9f\x8c\xb2") == 4);
}
END_TEST

START_TEST(a_folder_is_listed_in_one_order_without_what_is_hidden)
{
    static const char *const files[] = {"x/b/2", "x/b/10", "x/a", "x/.hidden", "x/c/d/e"};
    static const char *const wanted[] = {"x/a", "x/b/10", "x/b/2", "x/c/d/e", "x/link"};
    rj_list list;

    root_make();
    OK(rj_folder_make("x/b"));
    OK(rj_folder_make("x/c/d/"));
    OK(rj_folder_make("x/b")); // is there
    for (int i = 0; i < RJ_COUNT(files); i++)
        OK(rj_file_write(files[i], "", 0));
    ck_assert_int_eq(symlink("a", "x/link"), 0);
    ck_assert_int_eq(symlink("nothing", "x/broken"), 0);
    FAILS(rj_folder_make("x/a/below_a_file"), RIJ_E_FILE);
    OK(rj_folder_list("x", &list));
    ck_assert_int_eq(list.n, RJ_COUNT(wanted));
    for (int i = 0; i < list.n; i++)
        ck_assert_str_eq(list.path[i], wanted[i]);
    rj_list_free(&list);
    FAILS(rj_folder_list("none", &list), RIJ_E_FILE);
    ck_assert_int_eq(symlink(".", "x/round"), 0); // a folder within itself
    FAILS(rj_folder_list("x", &list), RIJ_E_FILE);
    root_remove();
}
END_TEST

START_TEST(paths_are_joined_or_refused)
{
    char path[12];

    OK(rj_path_join("dir", "name", path, sizeof path));
    ck_assert_str_eq(path, "dir/name");
    OK(rj_path_join("dir/", "name", path, sizeof path));
    ck_assert_str_eq(path, "dir/name");
    OK(rj_path_join("dir", "/name", path, sizeof path));
    ck_assert_str_eq(path, "/name");
    OK(rj_path_join("", "name", path, sizeof path));
    ck_assert_str_eq(path, "name");
    FAILS(rj_path_join("directory", "name", path, sizeof path), RIJ_E_FILE);
}
END_TEST

SUITE(base, files_are_replaced_together_or_not_at_all,
      text_grows_and_tells_when_memory_ran_out,
      a_message_is_one_line_of_at_most_255_bytes,
      allocations_are_zeroed_aligned_counted_and_can_be_made_to_fail,
      a_growing_array_keeps_what_it_holds, live_bytes_and_their_peak_are_known,
      an_arena_allocates_nothing_after_its_first_round,
      philox_gives_the_published_answers,
      a_random_number_depends_on_seed_stream_and_index_alone,
      random_numbers_have_the_moments_they_should,
      normal_numbers_in_bulk_have_the_same_bits_everywhere, a_shuffle_is_a_permutation,
      a_hash_changes_with_every_bit_and_with_its_seed,
      a_file_is_replaced_as_a_whole_and_read_up_to_a_limit,
      a_folder_is_listed_in_one_order_without_what_is_hidden, paths_are_joined_or_refused)
