/* What somebody who means harm would hand in: files that unpack to far more than they
 * are, files that are none, tables that lead astray. Each is refused in words, or read
 * for what it is, within a limit of memory (RLIMIT_AS of a child). What is wrong with
 * models is in test_safetensors.c and test_model.c, what becomes of a decoder that
 * breaks in test_isolate.c. */
#include "image_files.h"
#include <ftw.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef RJ_SANITIZED
#    define LIMITED 0 /* the shadow alone is larger than any limit */
#else
#    define LIMITED 1
#endif

enum { ROOM = 48 << 20 }; /* bytes that a child may take besides what it has */

typedef struct attempt {
    rij_status status;
    int w, h;
    char said[256];
} attempt;

/* Decode in a child with so much room for memory; it must end by itself. */
static attempt decode_within(size_t room, const file *f)
{
    attempt a = {0};
    int pair[2], how;
    pid_t pid;

    ck_assert_int_eq(pipe(pair), 0);
    pid = fork();
    if (pid == 0) {
        rj_image image = {0};
        long pages = 0;
        FILE *statm = fopen("/proc/self/statm", "r");

        if (!statm || fscanf(statm, "%ld", &pages) != 1)
            _exit(2);
        fclose(statm);
        room += (size_t)pages * (size_t)sysconf(_SC_PAGESIZE);
        if (LIMITED && setrlimit(RLIMIT_AS, &(struct rlimit){room, room}) != 0)
            _exit(3);
        a.status = rj_image_decode(f->bytes, f->n, &rj_default_limits, &image);
        snprintf(a.said, sizeof a.said, "%s", rij_last_error());
        a.w = image.w;
        a.h = image.h;
        _exit(write(pair[1], &a, sizeof a) == sizeof a ? 0 : 4);
    }
    close(pair[1]);
    (void)!read(pair[0], &a, sizeof a);
    close(pair[0]);
    ck_assert_int_eq(waitpid(pid, &how, 0), pid);
    ck_assert_msg(WIFEXITED(how) && WEXITSTATUS(how) == 0, "the child ended with %x",
                  how);
    return a;
}

/* ---- PNG -------------------------------------------------------------------------- */

static void put4(uint8_t *to, size_t v)
{
    for (int i = 0; i < 4; i++)
        to[i] = (uint8_t)(v >> (24 - 8 * i));
}

/* A chunk: `head`, then the content. */
static void append_chunk(file *f, const char *name, const char *head, size_t head_n,
                         const uint8_t *content, size_t n)
{
    uint8_t *chunk = rj_alloc(head_n + n + 12, 1);

    put4(chunk, head_n + n);
    memcpy(chunk + 4, name, 4);
    memcpy(chunk + 8, head, head_n);
    if (n)
        memcpy(chunk + 8 + head_n, content, n);
    put4(chunk + 8 + head_n + n, png_sum(chunk + 4, 4 + head_n + n));
    file_append(f, chunk, head_n + n + 12);
    rj_free(chunk);
}

/* A grey PNG of 98 million zeros, some 100 KB of file. */
static file bomb_new(void)
{
    uint8_t *row = rj_alloc(16384, 6000);
    file f = png_file(16384, 6000, PNG_COLOR_TYPE_GRAY, 8, PNG_INTERLACE_NONE, row, NULL);

    rj_free(row);
    ck_assert_uint_lt(f.n, 1 << 20);
    return f;
}

/* All its IDAT chunks' contents: what unpacks to 98 million bytes. */
static file packed_of(const file *bomb)
{
    file packed = {0};

    for (size_t at = 8; at + 12 <= bomb->n;) {
        const size_t n = (size_t)bomb->bytes[at] << 24 |
                         (size_t)bomb->bytes[at + 1] << 16 |
                         (size_t)bomb->bytes[at + 2] << 8 | bomb->bytes[at + 3];

        if (memcmp(bomb->bytes + at + 4, "IDAT", 4) == 0)
            file_append(&packed, bomb->bytes + at + 8, n);
        at += 12 + n;
    }
    return packed;
}

START_TEST(a_png_bomb_takes_no_more_than_its_picture)
{
    file bomb = bomb_new();
    attempt a = decode_within(ROOM, &bomb);

    if (LIMITED) { // 295 MB of pixels do not fit: that is said, nothing else happens
        ck_assert_int_eq(a.status, RIJ_E_MEMORY);
        ck_assert_msg(strstr(a.said, "no memory for an image of 16384 x 6000 pixels"),
                      "%s", a.said);
    }
    a = decode_within((size_t)500 << 20, &bomb);
    ck_assert_msg(a.status == RIJ_OK && a.w == 16384 && a.h == 6000, "%s", a.said);
    file_free(&bomb);
}
END_TEST

START_TEST(packed_text_and_profiles_are_never_unpacked)
{
    static const struct {
        const char *name, *head;
        size_t n;
    } kinds[] = {{"zTXt", "Comment\0", 9},
                 {"iCCP", "profile\0", 9},
                 {"iTXt", "Comment\0\1\0\0", 12},
                 {"eXIf", "II*\0\xff\xff\xff\xff", 8}};
    file bomb = bomb_new(), packed = packed_of(&bomb);
    rj_image small = picture(24, 16, 1);

    for (int k = 0; k < RJ_COUNT(kinds); k++) {
        uint8_t *bytes;
        file f;
        size_t n;
        attempt a;

        OK(rj_png_encode(&small, &bytes, &n));
        f = (file){rj_alloc(33, 1), 33};
        memcpy(f.bytes, bytes, 33);
        for (int i = 0; i < 20; i++) // 2 GB in all
            append_chunk(&f, kinds[k].name, kinds[k].head, kinds[k].n, packed.bytes,
                         packed.n);
        file_append(&f, bytes + 33, n - 33);
        a = decode_within(ROOM, &f);
        ck_assert_msg(a.status == RIJ_OK && a.w == 24, "%s: %s", kinds[k].name, a.said);
        file_free(&f);
        rj_free(bytes);
    }
    rj_image_free(&small);
    file_free(&packed);
    file_free(&bomb);
}
END_TEST

/* A header of 16 x 16 pixels above 98 million of them. */
START_TEST(pixels_beyond_the_picture_are_not_kept)
{
    file bomb = bomb_new(), packed = packed_of(&bomb), f = png_header(16, 16);
    attempt a;

    f.bytes[25] = PNG_COLOR_TYPE_GRAY;
    f.n = 8; // the header again, with its check sum
    append_chunk(&f, "IHDR", "\0\0\0\x10\0\0\0\x10\x8\0\0\0\0", 13, NULL, 0);
    append_chunk(&f, "IDAT", "", 0, packed.bytes, packed.n);
    append_chunk(&f, "IEND", "", 0, NULL, 0);
    a = decode_within(ROOM, &f);
    ck_assert_msg(a.status == RIJ_E_IMAGE || (a.status == RIJ_OK && a.w == 16), "%s",
                  a.said);
    file_free(&f);
    file_free(&packed);
    file_free(&bomb);
}
END_TEST

/* ---- JPEG ------------------------------------------------------------------------- */

START_TEST(a_jpeg_of_very_many_segments_is_read)
{
    enum { SEGMENTS = 20000, EACH = 50 };
    rj_image small = picture(24, 16, 2);
    file plain = jpeg_file(24, 16, small.rgb, TJPF_RGB, TJSAMP_420), f;
    uint8_t *many = calloc(SEGMENTS, EACH);
    attempt a;

    for (int i = 0; i < SEGMENTS; i++)
        memcpy(many + i * EACH,
               i % 2 ? "\xff\xe2\0\x30ICC_PROF"
                     : "\xff\xe1\0\x30"
                       "Exif\0\0II",
               12);
    f = with_segment(&plain, many, (size_t)SEGMENTS * EACH);
    a = decode_within(ROOM, &f);
    ck_assert_msg(a.status == RIJ_OK && a.w == 24, "%s", a.said);
    free(many);
    file_free(&f);
    file_free(&plain);
    rj_image_free(&small);
}
END_TEST

/* The last scan of a progressive JPEG again and again: few bytes, much work. */
START_TEST(a_jpeg_of_endless_scans_is_refused)
{
    rj_image small = picture(64, 64, 3);
    const tjhandle tj = tjInitCompress();
    unsigned char *bytes = NULL;
    unsigned long n = 0, scan = 0;
    file f = {0};
    attempt a;

    ck_assert_int_eq(tjCompress2(tj, small.rgb, 64, 0, 64, TJPF_RGB, &bytes, &n,
                                 TJSAMP_420, 50, TJFLAG_PROGRESSIVE),
                     0);
    for (unsigned long i = 0; i + 1 < n; i++)
        if (bytes[i] == 0xff && bytes[i + 1] == 0xda)
            scan = i;
    f = (file){rj_alloc(scan, 1), scan};
    memcpy(f.bytes, bytes, scan);
    for (int i = 0; i < 600; i++)
        file_append(&f, bytes + scan, n - 2 - scan);
    file_append(&f, "\xff\xd9", 2);
    a = decode_within(ROOM, &f);
    ck_assert_int_eq(a.status, RIJ_E_IMAGE);
    ck_assert_msg(strstr(a.said, "scans"), "%s", a.said);
    tjFree(bytes);
    tjDestroy(tj);
    file_free(&f);
    rj_image_free(&small);
}
END_TEST

/* ---- what is no file -------------------------------------------------------------- */

static char root[200];

static const char *at(const char *name)
{
    static char path[2][300];
    static int next;
    char *out = path[next++ % 2];

    snprintf(out, sizeof path[0], "%s/%s", root, name);
    return out;
}

static void root_new(void)
{
    const char *base = getenv("TMPDIR");

    snprintf(root, sizeof root, "%.150s/rj_hostile_XXXXXX",
             base && *base ? base : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(root));
}

static int remove_one(const char *path, const struct stat *s, int type, struct FTW *f)
{
    (void)s;
    (void)type;
    (void)f;
    return remove(path);
}

static void root_free(void)
{
    ck_assert_int_eq(nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

/* A pipe nobody writes to, devices that never end, folders, links in a circle. */
static void make_no_files(void)
{
    const int s = socket(AF_UNIX, SOCK_STREAM, 0);
    struct sockaddr_un name = {.sun_family = AF_UNIX};

    ck_assert_int_eq(mkfifo(at("pipe.png"), 0600), 0);
    ck_assert_int_eq(mkdir(at("folder.png"), 0700), 0);
    ck_assert_int_eq(symlink("round2.png", at("round1.png")), 0);
    ck_assert_int_eq(symlink("round1.png", at("round2.png")), 0);
    ck_assert_int_eq(symlink("nothing", at("broken.png")), 0);
    ck_assert_int_eq(symlink("/dev/zero", at("zeros.png")), 0);
    if (snprintf(name.sun_path, sizeof name.sun_path, "%s/socket.png", root) <
        (int)sizeof name.sun_path)
        ck_assert_int_eq(bind(s, (struct sockaddr *)&name, sizeof name), 0);
    close(s);
}

START_TEST(what_is_no_file_is_refused_at_once)
{
    static const char *const names[] = {"pipe.png",   "folder.png", "round1.png",
                                        "broken.png", "zeros.png",  "socket.png"};
    rj_image image;

    root_new();
    make_no_files();
    for (int i = 0; i < RJ_COUNT(names); i++) {
        FAILS(rj_image_read(at(names[i]), &rj_default_limits, &image), RIJ_E_FILE);
        ck_assert_msg(strstr(rij_last_error(), names[i]), "%s", rij_last_error());
    }
    FAILS(rj_image_read("/dev/zero", &rj_default_limits, &image), RIJ_E_FILE);
    ck_assert_str_eq(rij_last_error(), "/dev/zero: not a regular file");
    root_free();
}
END_TEST

/* A table may name anything; what is no picture is told of and left out. */
START_TEST(tables_that_name_no_pictures_are_survived)
{
    rj_image image = picture(24, 16, 4);
    rj_dataset d;
    rj_cache *cache = NULL;
    rj_pool *pool = NULL;
    FILE *f;

    root_new();
    make_no_files();
    OK(rj_image_write_png(at("a.png"), &image));
    f = fopen(at("m.tsv"), "w");
    fputs("path\tlabel\na.png\treal\npipe.png\treal\nfolder.png\tfake\nround1.png\tfake\n"
          "zeros.png\treal\n/dev/zero\treal\n../../../../../../../etc/passwd\tfake\n",
          f);
    fclose(f);
    OK(rj_dataset_open(at("m.tsv"), NULL, &d));
    OK(rj_pool_new(1, &pool));
    OK(rj_cache_new(&d, 1 << 20, &cache));
    OK(rj_dataset_check(&d, cache, pool, NULL, NULL, NULL));
    ck_assert_int_eq(d.n, 7);
    ck_assert_int_eq(rj_dataset_count(&d, 0, false) + rj_dataset_count(&d, 1, false), 1);
    rj_cache_free(cache);
    rj_dataset_free(&d);
    rj_pool_free(pool);
    rj_image_free(&image);
    root_free();
}
END_TEST

/* A name of 8 MB, a million columns, as many empty lines. */
START_TEST(tables_of_absurd_lines_are_refused_or_read)
{
    enum { MANY = 1000000 };
    rj_dataset d;
    FILE *f;

    root_new();
    f = fopen(at("long.tsv"), "w");
    fputs("path\tlabel\n", f);
    for (int i = 0; i < MANY; i++)
        fputs("../abcde", f);
    fputs("\treal\n", f);
    fclose(f);
    FAILS(rj_dataset_open(at("long.tsv"), NULL, &d), RIJ_E_FILE);
    ck_assert_msg(strstr(rij_last_error(), "too long"), "%s", rij_last_error());
    f = fopen(at("wide.tsv"), "w");
    fputs("path\tlabel", f);
    for (int i = 0; i < MANY; i++)
        fputs("\tx", f);
    fputs("\na.png\treal\n", f);
    fclose(f);
    OK(rj_dataset_open(at("wide.tsv"), NULL, &d));
    ck_assert_int_eq(d.n, 1);
    rj_dataset_free(&d);
    f = fopen(at("empty.tsv"), "w");
    fputs("path\tlabel\n", f);
    for (int i = 0; i < MANY; i++)
        fputs("\r\n", f);
    fputs("a.png\tunreal\n", f);
    fclose(f);
    FAILS(rj_dataset_open(at("empty.tsv"), NULL, &d), RIJ_E_DATA);
    ck_assert_msg(strstr(rij_last_error(), "line 1000002"), "%s", rij_last_error());
    root_free();
}
END_TEST

SUITE(hostile, a_png_bomb_takes_no_more_than_its_picture,
      packed_text_and_profiles_are_never_unpacked, pixels_beyond_the_picture_are_not_kept,
      a_jpeg_of_very_many_segments_is_read, a_jpeg_of_endless_scans_is_refused,
      what_is_no_file_is_refused_at_once, tables_that_name_no_pictures_are_survived,
      tables_of_absurd_lines_are_refused_or_read)
