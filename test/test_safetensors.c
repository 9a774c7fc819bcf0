/* test_safetensors.c: files of tensors: round trips, and every kind of damage. */
#include "model/model.h"
#include "test.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[64], path[96];

/* A fresh folder, and the path of a file in it. */
static void folder_new(void)
{
    snprintf(folder, sizeof folder, "%.40s/rj_st_XXXXXX",
             getenv("TMPDIR") && strlen(getenv("TMPDIR")) <= 40 ? getenv("TMPDIR")
                                                                : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/a.safetensors", folder);
}

static void folder_remove(void)
{
    unlink(path);
    ck_assert_int_eq(rmdir(folder), 0);
}

/* Three tensors of 1, 6 and 4 numbers, and two entries. */
static rj_st_file file_new(void)
{
    const float x[6] = {1, -2.5f, 3e-30f, 4e30f, -0.0f, 6};
    rj_st_file f = {0};

    OK(rj_st_add(&f, "one", rj_shape_plain(0, 1, 1, 1, 1), x));
    OK(rj_st_add(&f, "a.weight", rj_shape_plain(2, 2, 3, 1, 1), x));
    OK(rj_st_add(&f, "b", rj_shape_plain(4, 1, 2, 1, 2), x + 2));
    OK(rj_st_set(&f, "note", "a \"quoted\" line\nand \\ another, \xc3\xa9"));
    OK(rj_st_set(&f, "empty", ""));
    return f;
}

/* A file with this header (padded with spaces) and `data` bytes of 1.0f after it. */
static rij_status parse(const char *header, size_t data, rj_st_file *f)
{
    const size_t n = (strlen(header) + 7) / 8 * 8;
    unsigned char *bytes = rj_alloc(8 + n + data, 1);
    rij_status status;

    memset(bytes + 8, ' ', n);
    memcpy(bytes + 8, header, strlen(header));
    bytes[0] = (unsigned char)n;
    bytes[1] = (unsigned char)(n >> 8);
    for (size_t i = 0; i + 4 <= data; i += 4)
        memcpy(bytes + 8 + n + i, "\0\0\x80\x3f", 4);
    status = rj_st_parse("test", bytes, 8 + n + data, f);
    rj_free(bytes);
    return status;
}

static void refused(const char *header, size_t data)
{
    rj_st_file f = {0};
    const long live = rj_memory_live();

    FAILS(parse(header, data, &f), RIJ_E_MODEL);
    ck_assert_ptr_null(f.tensor);
    ck_assert_int_eq(rj_memory_live(), live);
}

START_TEST(files_come_back_as_they_were_written)
{
    rj_st_file f = file_new(), g = {0};
    unsigned char *one = NULL, *two = NULL;
    size_t n = 0, m = 0;

    folder_new();
    OK(rj_st_write(path, &f));
    OK(rj_file_read(path, 1 << 20, &one, &n));
    OK(rj_st_read(path, &g));
    ck_assert(g.sealed);
    ck_assert_int_eq(g.tensors, 3);
    ck_assert_int_eq(g.entries, 2);
    for (int i = 0; i < 3; i++) {
        ck_assert_str_eq(f.tensor[i].name, g.tensor[i].name);
        ck_assert(rj_shape_same(&f.tensor[i].shape, &g.tensor[i].shape));
        ck_assert_mem_eq(f.tensor[i].x, g.tensor[i].x, 4 * rj_count(&f.tensor[i].shape));
    }
    ck_assert_str_eq(rj_st_get(&g, "note"), rj_st_get(&f, "note"));
    ck_assert_str_eq(rj_st_get(&g, "empty"), "");
    ck_assert_ptr_null(rj_st_get(&g, "hash"));
    ck_assert_ptr_null(rj_st_tensor_find(&g, "c"));
    OK(rj_st_write(path, &g));
    OK(rj_file_read(path, 1 << 20, &two, &m));
    ck_assert_uint_eq(n, m);
    ck_assert_mem_eq(one, two, n);
    ck_assert_int_eq((8 + one[0] + 256 * one[1]) % 8, 0);
    rj_free(one);
    rj_free(two);
    rj_st_free(&f);
    rj_st_free(&g);
    folder_remove();
}
END_TEST

START_TEST(entries_and_tensors_are_checked_when_they_are_added)
{
    const float bad[2] = {1, INFINITY};
    const rj_shape two = rj_shape_plain(1, 2, 1, 1, 1);
    rj_st_file f = file_new();
    char name[80];

    memset(name, 'n', sizeof name);
    name[RJ_NAME_MAX] = 0;
    FAILS(rj_st_add(&f, "x", two, bad), RIJ_E_ARGUMENT);
    FAILS(rj_st_add(&f, "one", rj_shape_plain(0, 1, 1, 1, 1), bad), RIJ_E_ARGUMENT);
    FAILS(rj_st_add(&f, "", rj_shape_plain(0, 1, 1, 1, 1), bad), RIJ_E_ARGUMENT);
    FAILS(rj_st_add(&f, "__metadata__", rj_shape_plain(0, 1, 1, 1, 1), bad),
          RIJ_E_ARGUMENT);
    FAILS(rj_st_add(&f, name, rj_shape_plain(0, 1, 1, 1, 1), bad), RIJ_E_ARGUMENT);
    FAILS(rj_st_set(&f, "hash", "0"), RIJ_E_ARGUMENT);
    FAILS(rj_st_set(&f, "a key", "0"), RIJ_E_ARGUMENT);
    ck_assert_int_eq(f.tensors, 3);
    OK(rj_st_set(&f, "empty", "full"));
    ck_assert_str_eq(rj_st_get(&f, "empty"), "full");
    ck_assert_int_eq(f.entries, 2);
    // overlong, surrogate, too high, cut off, lone continuation; then good ones
    OK(rj_st_set(&f, "path", "\xc0\x80 \xed\xa0\x80 \xf4\x90\x80\x80 \xe2\x82 \x80"));
    ck_assert_str_eq(rj_st_get(&f, "path"), "?? ??? ???? ?? ?");
    OK(rj_st_set(&f, "path", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"));
    ck_assert_str_eq(rj_st_get(&f, "path"), "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
    rj_st_free(&f);
}
END_TEST

START_TEST(every_truncation_is_refused)
{
    rj_st_file f = file_new(), g = {0};
    unsigned char *bytes = NULL;
    size_t n = 0;

    folder_new();
    OK(rj_st_write(path, &f));
    OK(rj_file_read(path, 1 << 20, &bytes, &n));
    for (size_t i = 0; i < n; i++) {
        // a block of just that size, so that ASan sees one byte too far
        unsigned char *cut = malloc(i ? i : 1);

        memcpy(cut, bytes, i);
        FAILS(rj_st_parse("cut", cut, i, &g), RIJ_E_MODEL);
        free(cut);
    }
    OK(rj_file_write(path, bytes, n - 1));
    FAILS(rj_st_read(path, &g), RIJ_E_MODEL);
    OK(rj_file_write(path, bytes, 0));
    FAILS(rj_st_read(path, &g), RIJ_E_MODEL);
    folder_remove();
    FAILS(rj_st_read(path, &g), RIJ_E_FILE);
    ck_assert_ptr_null(g.tensor);
    rj_free(bytes);
    rj_st_free(&f);
}
END_TEST

/* Every bit of a sealed file. One in the words "hash" or "__metadata__" takes the seal
 * off, and what is left must still hold together; anything else is refused. */
START_TEST(every_flipped_bit_of_a_sealed_file_is_noticed)
{
    rj_st_file f = file_new();
    unsigned char *bytes = NULL;
    size_t n = 0;

    folder_new();
    OK(rj_st_write(path, &f));
    OK(rj_file_read(path, 1 << 20, &bytes, &n));
    for (size_t i = 0; i < 8 * n; i++) {
        rj_st_file g = {0};
        rij_status status;

        bytes[i / 8] ^= (unsigned char)(1 << i % 8);
        status = rj_st_parse("flip", bytes, n, &g);
        ck_assert(status == RIJ_E_MODEL || (status == RIJ_OK && !g.sealed && i / 8 < 33));
        bytes[i / 8] ^= (unsigned char)(1 << i % 8);
        rj_st_free(&g);
    }
    rj_free(bytes);
    rj_st_free(&f);
    folder_remove();
}
END_TEST

static const char plain[] =
    "{\"__metadata__\":{\"k\":\"v\"},"
    "\"a\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]},"
    "\"b\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[24,28]}}";

/* Every byte of a header without hash set to every value: refused, or a file whose
 * tensors still cover the data exactly. */
START_TEST(every_changed_byte_of_a_plain_header_leaves_a_whole_file_or_none)
{
    char header[sizeof plain];
    int whole = 0;

    for (size_t i = 0; i + 1 < sizeof plain; i++)
        for (int value = 1; value < 256; value++) {
            rj_st_file f = {0};
            rij_status status;
            size_t n = 0;

            memcpy(header, plain, sizeof plain);
            header[i] = (char)value;
            status = parse(header, 28, &f);
            ck_assert(status == RIJ_E_MODEL || status == RIJ_OK);
            for (int j = 0; j < f.tensors; j++)
                n += 4 * rj_count(&f.tensor[j].shape);
            ck_assert(status != RIJ_OK || n == 28);
            whole += status == RIJ_OK;
            rj_st_free(&f);
        }
    ck_assert_int_gt(whole, 100); // other letters in names are fine
}
END_TEST

START_TEST(headers_that_lie_are_refused)
{
    unsigned char bytes[64] = {0};
    rj_st_file f = {0};

#define A "\"a\":{\"dtype\":\"F32\",\"shape\":"
#define OFF "\"data_offsets\":"
    refused("{" A "[2]," OFF "[0,8]},\"b\":{\"dtype\":\"F32\",\"shape\":[2]," OFF
            "[4,12]}}",
            12); // overlap
    refused("{" A "[2]," OFF "[0,8]},\"b\":{\"dtype\":\"F32\",\"shape\":[2]," OFF
            "[12,20]}}",
            20);                              // hole
    refused("{" A "[2]," OFF "[0,8]}}", 12);  // bytes left over
    refused("{" A "[2]," OFF "[0,8]}}", 4);   // too few
    refused("{" A "[2]," OFF "[0,12]}}", 12); // not what the shape says
    refused("{" A "[2]," OFF "[4,8]}}", 8);   // nor so
    refused("{" A "[2]," OFF "[8,0]}}", 8);
    refused("{" A "[2]," OFF "[-8,0]}}", 8);
    refused("{" A "[2]," OFF "[0,8,8]}}", 8);
    refused("{" A "[2]," OFF "[0,8.0]}}", 8);
    refused("{" A "[2]," OFF "[0,9223372036854775807]}}", 8);
    refused("{" A "[2]," OFF "[0,99999999999999999999]}}", 8);
    refused("{" A "[1073741824,1073741824]," OFF "[0,8]}}", 8);   // 2^60
    refused("{" A "[65536,65536,65536,65536]," OFF "[0,8]}}", 8); // 2^64
    refused("{" A "[4294967298]," OFF "[0,8]}}", 8);              // 2 in 32 bits
    refused("{" A "[-2]," OFF "[0,8]}}", 8);
    refused("{" A "[0]," OFF "[0,0]}}", 0);
    refused("{" A "[1,1,1,1,2]," OFF "[0,8]}}", 8);
    refused("{" A "2," OFF "[0,8]}}", 8);
    refused("{" A "[2]}}", 8);
    refused("{" A "[2]," OFF "[0,8],\"more\":1}}", 8);
    refused("{" A "[2]," OFF "[0,8]}," A "[2]," OFF "[8,16]}}", 16); // the name twice
    refused("{\"a\":{\"dtype\":\"F16\",\"shape\":[4]," OFF "[0,8]}}", 8);
    refused("{\"a\":[1]}", 0);
    refused("{\"\":{\"dtype\":\"F32\",\"shape\":[2]," OFF "[0,8]}}", 8);
    refused("{\"__metadata__\":{\"k\":1}}", 0);
    refused("{\"__metadata__\":[]}", 0);
    refused("{\"__metadata__\":{\"k\":\"1\",\"k\":\"2\"}}", 0);
    refused("{\"__metadata__\":{\"a\":\"b\",\"hash\":\"0\"}}", 0);
    refused("{\"__metadata__\":{\"hash\":\"0000000000000000\"}}", 0);
    refused("{\"a\\u0000\":{\"dtype\":\"F32\",\"shape\":[2]," OFF "[0,8]}}", 8);
    refused("[]", 0);
    refused("{} {}", 0);
    refused("nonsense", 0);
    for (int i = 0; i < 8; i++) { // a header of 2^63 bytes, then of 2^64 - 1
        bytes[i] = i == 7 ? 0x80 : 0;
    }
    FAILS(rj_st_parse("long", bytes, sizeof bytes, &f), RIJ_E_MODEL);
    memset(bytes, 0xff, 8);
    FAILS(rj_st_parse("long", bytes, sizeof bytes, &f), RIJ_E_MODEL);
    memset(bytes, 0, 8);
    FAILS(rj_st_parse("none", bytes, sizeof bytes, &f), RIJ_E_MODEL);
    OK(parse("{}", 0, &f));
    OK(parse(plain, 28, &f));
    rj_st_free(&f);
}
END_TEST

START_TEST(deep_headers_are_refused)
{
    enum { N = 1 << 20 };
    unsigned char *bytes = rj_alloc(N + 8, 1);
    rj_st_file f = {0};

    memset(bytes + 8, '[', N);
    bytes[2] = N >> 16;
    FAILS(rj_st_parse("deep", bytes, N + 8, &f), RIJ_E_MODEL);
    rj_free(bytes);
}
END_TEST

START_TEST(numbers_that_are_none_are_refused)
{
    static const char header[] =
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}     ";
    static const unsigned char bad[3][4] = {
        {0, 0, 0xc0, 0x7f}, {0, 0, 0x80, 0x7f}, {0, 0, 0x80, 0xff}};
    unsigned char bytes[8 + 64 + 8] = {56};
    rj_st_file f = {0};

    memcpy(bytes + 8, header, 56);
    OK(rj_st_parse("fine", bytes, 8 + 56 + 8, &f));
    rj_st_free(&f);
    for (int i = 0; i < 3; i++) {
        memcpy(bytes + 8 + 56 + 4, bad[i], 4);
        FAILS(rj_st_parse("nan", bytes, 8 + 56 + 8, &f), RIJ_E_MODEL);
    }
}
END_TEST

START_TEST(a_failed_write_leaves_the_old_file)
{
    rj_st_file f = file_new(), g = {0};
    char nowhere[160];

    folder_new();
    OK(rj_st_write(path, &f));
    snprintf(nowhere, sizeof nowhere, "%s/no/such/folder.safetensors", folder);
    FAILS(rj_st_write(nowhere, &f), RIJ_E_FILE);
    OK(rj_st_set(&f, "note", "new"));
    for (long n = 1;; n++) { // each allocation in turn
        rij_status status;

        rj_memory_fail_at(n);
        status = rj_st_write(path, &f);
        rj_memory_fail_at(0);
        if (status == RIJ_OK)
            break;
        ck_assert_int_eq(status, RIJ_E_MEMORY);
        OK(rj_st_read(path, &g));
        ck_assert_str_ne(rj_st_get(&g, "note"), "new");
        rj_st_free(&g);
    }
    OK(rj_st_read(path, &g));
    ck_assert_str_eq(rj_st_get(&g, "note"), "new");
    rj_st_free(&g);
    rj_st_free(&f);
    folder_remove();
}
END_TEST

START_TEST(reading_survives_every_failing_allocation)
{
    rj_st_file f = file_new(), g = {0};
    long failed = 0;

    folder_new();
    OK(rj_st_write(path, &f));
    for (long n = 1;; n++) {
        const long live = rj_memory_live();
        rij_status status;

        rj_memory_fail_at(n);
        status = rj_st_read(path, &g);
        rj_memory_fail_at(0);
        if (status == RIJ_OK)
            break;
        failed++;
        ck_assert_int_eq(status, RIJ_E_MEMORY);
        ck_assert_int_eq(rj_memory_live(), live);
        ck_assert_ptr_null(g.tensor);
    }
    ck_assert_int_gt(failed, 6);
    rj_st_free(&g);
    rj_st_free(&f);
    folder_remove();
}
END_TEST

SUITE(safetensors, files_come_back_as_they_were_written,
      entries_and_tensors_are_checked_when_they_are_added, every_truncation_is_refused,
      every_flipped_bit_of_a_sealed_file_is_noticed,
      every_changed_byte_of_a_plain_header_leaves_a_whole_file_or_none,
      headers_that_lie_are_refused, deep_headers_are_refused,
      numbers_that_are_none_are_refused, a_failed_write_leaves_the_old_file,
      reading_survives_every_failing_allocation)
