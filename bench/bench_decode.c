/* bench_decode.c: how many JPEG files a second become planar numbers: read, decode, cut a
 * crop, scale. All threads, then one. */
#include "bench.h"
#include "data/data.h"
#include <stdio.h>

enum { FILES = 16 }; /* at a time, all the same one */

typedef struct decoding {
    char path[512];
    int crop;
    rj_pool *pool;
} decoding;

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
    const double pixels = BENCH_PHOTOGRAPH_W * BENCH_PHOTOGRAPH_H;
    decoding d = {0};
    size_t bytes;

    bench_parse(argc, argv, "bench_decode: JPEG files to planar numbers", &o);
    d.crop = o.crop;
    bytes = bench_files_photographs("", 1);
    bench_check(rj_path_join(bench_files_folder(), "00.jpg", d.path, sizeof d.path),
                "decoding");
    printf("file\t%d x %d\t%.0f KB\n", BENCH_PHOTOGRAPH_W, BENCH_PHOTOGRAPH_H,
           (double)bytes / 1e3);
    for (int one = 0; one < 2; one++) {
        bench_times t;

        bench_check(rj_pool_new(one ? 1 : o.threads, &d.pool), "threads");
        t = bench_time(decode_all, &d, o.steps, true);
        printf("decode\t%d threads\t%.1f files/s\t%.1f Mpixel/s\tspread %.3f\n",
               rj_pool_threads(d.pool), FILES / t.median, FILES / t.median * pixels / 1e6,
               t.spread);
        rj_pool_free(d.pool);
    }
    return 0;
}
