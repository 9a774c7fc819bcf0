/* bench_decode.c: how many JPEG files a second become planar numbers: read, decode, cut a
 * crop, scale. The file is made here, a smooth picture with grain, 1600 x 1200 at quality
 * 90, and lies in a temporary place. All threads, then one. */
#include "bench.h"
#include "data/data.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { WIDTH = 1600, HEIGHT = 1200, FILES = 16 };

typedef struct decoding {
    char path[512];
    int crop;
    rj_pool *pool;
} decoding;

/* Waves with some noise, so that the entropy coder has a photograph's work. */
static rij_status make_file(decoding *d)
{
    rj_random r = rj_random_start(3, RJ_STREAM_TEST, 0);
    rj_image image;
    uint8_t *bytes = NULL;
    rij_status status;
    size_t n;

    RJ_TRY(rj_image_new(WIDTH, HEIGHT, &image));
    for (int i = 0; i < WIDTH * HEIGHT * 3; i++) {
        const double x = i / 3 % WIDTH, y = i / 3 / WIDTH;
        const double wave = sin(x / 37 + i % 3) + cos(y / 23) + sin((x + y) / 5) / 4;
        image.rgb[i] = (uint8_t)(127 + 50 * wave + 6 * rj_random_uniform(&r, -1, 1));
    }
    RJ_TRY_DONE(rj_jpeg_encode(&image, 90, &bytes, &n));
    RJ_TRY_DONE(rj_file_write(d->path, bytes, n));
    printf("file\t%d x %d\t%.0f KB\n", WIDTH, HEIGHT, (double)n / 1e3);
done:
    rj_free(bytes);
    rj_image_free(&image);
    return status;
}

static rij_status decode_one(void *job, int index, int worker)
{
    const decoding *d = job;
    rj_image image = {0}, crop = {0};
    float *planar = rj_alloc((size_t)(3 * d->crop) * (size_t)d->crop, sizeof *planar);
    rij_status status;

    (void)worker;
    RJ_REQUIRE(planar, RIJ_E_MEMORY, "no memory for a crop");
    RJ_TRY_DONE(rj_image_read(d->path, &rj_default_limits, &image));
    RJ_TRY_DONE(rj_image_crop(&image, 50 * index, 40 * index, d->crop, d->crop, &crop));
    rj_image_planar(&crop, planar);
done:
    rj_free(planar);
    rj_image_free(&image);
    rj_image_free(&crop);
    return status;
}

static rij_status decode_all(void *job)
{
    decoding *d = job;

    return rj_parallel_for(d->pool, FILES, decode_one, d);
}

int main(int argc, char **argv)
{
    bench_options o = {.crop = 128, .steps = 5};
    const char *base = getenv("TMPDIR");
    decoding d = {0};
    int file;

    bench_parse(argc, argv, "bench_decode: JPEG files to planar numbers", &o);
    d.crop = o.crop;
    snprintf(d.path, sizeof d.path, "%s/rj_bench_XXXXXX",
             base && *base ? base : P_tmpdir);
    file = mkstemp(d.path);
    if (file < 0)
        bench_check(rj_fail(RIJ_E_FILE, "no temporary file %s", d.path), "decoding");
    close(file);
    bench_check(make_file(&d), "decoding");
    for (int one = 0; one < 2; one++) {
        bench_times t;

        bench_check(rj_pool_new(one ? 1 : o.threads, &d.pool), "threads");
        t = bench_time(decode_all, &d, o.steps, true);
        printf("decode\t%d threads\t%.1f files/s\t%.1f Mpixel/s\tspread %.3f\n",
               rj_pool_threads(d.pool), FILES / t.median,
               FILES / t.median * WIDTH * HEIGHT / 1e6, t.spread);
        rj_pool_free(d.pool);
    }
    unlink(d.path);
    return 0;
}
