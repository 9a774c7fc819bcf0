/* bench_files.c: photographs for benchmarks that read files, in a temporary folder. One
 * is made, a smooth picture with grain as a JPEG file of quality 90; the others are
 * copies, since no time depends on what they show. */
#include "bench.h"
#include "data/data.h"
#include <errno.h>
#include <ftw.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[512]; // "": there is none yet
static uint8_t *photograph;
static size_t photograph_bytes;

static int remove_one(const char *path, const struct stat *s, int kind, struct FTW *at)
{
    (void)s, (void)kind, (void)at;
    (void)remove(path); // goes on: whatever can be removed is
    return 0;
}

static void remove_all(void)
{
    nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    rj_free(photograph);
}

const char *bench_files_folder(void)
{
    const char *base = getenv("TMPDIR");
    char path[sizeof folder];

    if (folder[0])
        return folder;
    snprintf(path, sizeof path, "%s/rj_bench_XXXXXX", base && *base ? base : P_tmpdir);
    if (!mkdtemp(path))
        bench_check(
            rj_fail(RIJ_E_FILE, "no temporary folder %s: %s", path, strerror(errno)),
            "photographs");
    memcpy(folder, path, sizeof folder);
    atexit(remove_all);
    return folder;
}

/* Waves with some noise, so that the entropy coder has a photograph's work. */
static rij_status make_photograph(void)
{
    const int w = BENCH_PHOTOGRAPH_W, h = BENCH_PHOTOGRAPH_H;
    rj_random r = rj_random_start(3, RJ_STREAM_TEST, 0);
    rj_image image;
    rij_status status;

    RJ_TRY(rj_image_new(w, h, &image));
    for (int i = 0; i < w * h * 3; i++) {
        const double x = i / 3 % w, y = i / 3 / w;
        const double wave = sin(x / 37 + i % 3) + cos(y / 23) + sin((x + y) / 5) / 4;
        image.rgb[i] = (uint8_t)(127 + 50 * wave + 6 * rj_random_uniform(&r, -1, 1));
    }
    status = rj_jpeg_encode(&image, 90, &photograph, &photograph_bytes);
    rj_image_free(&image);
    return status;
}

static rij_status write_photographs(const char *below, int n)
{
    char here[sizeof folder], name[32], path[sizeof folder];

    if (!photograph)
        RJ_TRY(make_photograph());
    RJ_TRY(rj_path_join(bench_files_folder(), below, here, sizeof here));
    RJ_TRY(rj_folder_make(here));
    for (int i = 0; i < n; i++) {
        snprintf(name, sizeof name, "%02d.jpg", i);
        RJ_TRY(rj_path_join(here, name, path, sizeof path));
        RJ_TRY(rj_file_write(path, photograph, photograph_bytes));
    }
    return RIJ_OK;
}

size_t bench_files_photographs(const char *below, int n)
{
    bench_check(write_photographs(below, n), "photographs");
    return photograph_bytes;
}
