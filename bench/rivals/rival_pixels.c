/* rival_pixels: what other detectors are trained and judged on: the pixels that ours
 * gets.
 *
 *     rival_pixels columns --manifest FILE --split NAME --out DIR [--held] [--seed N]
 *                          COLUMN ..
 *     rival_pixels crops   --manifest FILE --split NAME --seed N --steps N
 *                          [--law library|blur-jpeg]  [--crop N]
 *
 * columns: DIR/COLUMN.rgb holds the pictures of the split, as an evaluation with seed 0
 * sends them through that column, 8-bit RGB, one behind the other; DIR/COLUMN.tsv has a
 * line for each: label, generator, source, group, width, height, path. --held: only those
 * that a training with seed N keeps out for validation.
 *
 * crops: a batch a step on standard output, BATCH / 2 reals and then as many fakes, from
 * what that training does not keep out: BATCH bytes of labels (0 real, 1 fake), then
 * (BATCH,3,crop,crop) bytes. Each class is walked through in a shuffled order per epoch.
 * A window is degraded by a law, the crop cut from it and flipped by chance, as lib/data
 * does it; fake i of a batch gets the same draw of the law as real i.
 *
 * Default crop and the law `library` are those of rij_train(). The law `blur-jpeg`: a
 * blur of sigma 0..3 with probability 1/2, then JPEG of quality 30..100 with probability
 * 1/2 (Wang et al. 2020). */
#include "judge/judge.h"
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 64, HALF = BATCH / 2 };
enum purpose { PLACE, DEGRADE, PURPOSES };

typedef struct job {
    const char *manifest, *split, *out, *law;
    uint64_t seed;
    int64_t steps;
    int crop; /* 0: the library's default */
    int held;
    /* what is open */
    rij_train_options o; /* resolved */
    rj_pool *pool;
    rj_dataset data;
    rj_cache *cache;
} job;

static int note(const char *line, void *user)
{
    (void)user;
    fprintf(stderr, "rival_pixels: %s\n", line);
    return 0;
}

/* As rij_train() does it, so that what is kept out is the same. */
static rij_status open_data(job *j)
{
    j->o = (rij_train_options)RIJ_TRAIN_OPTIONS_INIT;
    j->o.crop = j->crop;
    RJ_TRY(rij_train_options_resolve(&j->o));
    RJ_TRY(rj_pool_new(0, &j->pool));
    RJ_TRY(rj_dataset_open(j->manifest, j->split, &j->data));
    RJ_TRY(rj_cache_new(&j->data, j->o.cache_bytes, &j->cache));
    RJ_TRY(rj_dataset_check(&j->data, j->cache, j->pool, note, NULL, NULL));
    return rj_dataset_hold_out(&j->data, j->o.validation, j->seed);
}

static void close_data(job *j)
{
    rj_cache_free(j->cache);
    rj_dataset_free(&j->data);
    rj_pool_free(j->pool);
}

/* ---- columns ---------------------------------------------------------------------- */

static rij_status write_picture(const rj_image *image, const rj_dataset *d, int sample,
                                FILE *pixels, FILE *index)
{
    const rj_sample *s = &d->sample[sample];
    const size_t n = (size_t)image->w * (size_t)image->h * 3;
    const int told =
        fprintf(index, "%s\t%s\t%s\t%016" PRIx64 "\t%d\t%d\t%s\n",
                s->label == RJ_FAKE_LABEL ? "fake" : "real",
                s->generator >= 0 ? d->generator[s->generator] : "",
                s->source ? s->source : "", s->group, image->w, image->h, s->path);

    RJ_REQUIRE(told > 0 && fwrite(image->rgb, 1, n, pixels) == n, RIJ_E_FILE,
               "%.200s: could not be written", s->path);
    return RIJ_OK;
}

static rij_status write_pictures(job *j, const rj_column *column, FILE *pixels,
                                 FILE *index)
{
    fputs("label\tgenerator\tsource\tgroup\twidth\theight\tpath\n", index);
    for (int i = 0; i < j->data.n; i++) {
        const rj_sample *s = &j->data.sample[i];
        const rj_image *image;
        rj_image seen = {0};
        rij_status status;

        if (!s->usable || (j->held && !s->validation))
            continue;
        RJ_TRY(rj_cache_take(j->cache, i, &image));
        status = rj_column_apply(column, image, 0, i, &seen);
        rj_cache_release(j->cache, i, image);
        if (status == RIJ_OK)
            status = write_picture(&seen, &j->data, i, pixels, index);
        rj_image_free(&seen);
        RJ_TRY(status);
    }
    return RIJ_OK;
}

static rij_status write_column(job *j, const char *name)
{
    char path[2][4096];
    FILE *file[2];
    rj_column column;
    rij_status status = RIJ_OK;

    RJ_TRY(rj_column_named(name, &column));
    for (int i = 0; i < 2; i++) {
        char last[64];

        snprintf(last, sizeof last, "%.50s.%s", name, i ? "tsv" : "rgb");
        RJ_TRY(rj_path_join(j->out, last, path[i], sizeof path[i]));
    }
    for (int i = 0; i < 2; i++) {
        file[i] = fopen(path[i], "wb");
        if (!file[i])
            status = rj_fail(RIJ_E_FILE, "%.200s: could not be written", path[i]);
    }
    if (status == RIJ_OK)
        status = write_pictures(j, &column, file[0], file[1]);
    for (int i = 0; i < 2; i++)
        if (file[i] && fclose(file[i]) != 0 && status == RIJ_OK)
            status = rj_fail(RIJ_E_FILE, "%.200s: could not be written", path[i]);
    return status;
}

static rij_status columns(job *j, int n, char **names)
{
    RJ_TRY(rj_folder_make(j->out));
    for (int i = 0; i < n; i++)
        RJ_TRY(write_column(j, names[i]));
    return RIJ_OK;
}

/* ---- crops ------------------------------------------------------------------------ */

/* Samples of a label, again and again, in another order each time. */
typedef struct walk {
    int *sample, n, at;
    uint64_t label, epoch;
} walk;

typedef struct source {
    job *j;
    rj_law law;
    bool blur_jpeg;
    walk walk[2];
} source;

static rij_status walk_new(const job *j, int label, walk *w)
{
    const rj_dataset *d = &j->data;

    *w = (walk){.sample = rj_alloc((size_t)RJ_MAX(d->n, 1), sizeof(int)),
                .label = (uint64_t)label};
    RJ_REQUIRE(w->sample, RIJ_E_MEMORY, "no memory for an order");
    for (int i = 0; i < d->n; i++)
        if (d->sample[i].usable && !d->sample[i].validation &&
            d->sample[i].label == label)
            w->sample[w->n++] = i;
    RJ_REQUIRE(w->n, RIJ_E_DATA, "%.200s: no usable %s image to train with", j->manifest,
               label == RJ_FAKE_LABEL ? "fake" : "real");
    return RIJ_OK;
}

static int walk_next(walk *w, uint64_t seed)
{
    if (w->at == 0) {
        rj_random r = rj_random_start(seed, RJ_STREAM_ORDER, w->epoch++ << 1 | w->label);

        rj_random_shuffle(&r, w->sample, w->n);
    }
    w->at = (w->at + 1) % w->n;
    return w->sample[(w->at + w->n - 1) % w->n];
}

/* The same four numbers are drawn whatever comes of them. */
static rij_status blur_jpeg(const rj_image *image, rj_random *r, rj_image *out)
{
    const bool blurred = rj_random_uniform(r, 0, 1) < 0.5;
    const double sigma = rj_random_uniform(r, 0, 3);
    const bool coded = rj_random_uniform(r, 0, 1) < 0.5;
    const int quality = 30 + rj_random_below(r, 71);
    rj_image soft = {0};
    rij_status status;

    if (!blurred)
        return coded ? rj_degrade_jpeg(image, quality, out) : rj_image_copy(image, out);
    if (!coded)
        return rj_degrade_blur(image, sigma, out);
    RJ_TRY(rj_degrade_blur(image, sigma, &soft));
    status = rj_degrade_jpeg(&soft, quality, out);
    rj_image_free(&soft);
    return status;
}

/* (3,crop,crop) bytes of the place within its window. */
static void write_planar(const rj_image *window, const rj_place *p, uint8_t *planar)
{
    for (int c = 0; c < 3; c++)
        for (int y = 0; y < p->crop; y++)
            for (int x = 0; x < p->crop; x++) {
                const int from = p->crop_x + (p->flip ? p->crop - 1 - x : x);
                const size_t at =
                    (size_t)(p->crop_y + y) * (size_t)window->w + (size_t)from;

                *planar++ = window->rgb[3 * at + (size_t)c];
            }
}

static rj_random stream(const source *s, enum purpose purpose, int64_t step, int row)
{
    const uint64_t place = (uint64_t)step * BATCH + (uint64_t)row;

    return rj_random_start(s->j->seed, RJ_STREAM_VIEW, place * PURPOSES + purpose);
}

static rij_status put(const source *s, int sample, int64_t step, int row, uint8_t *planar)
{
    rj_random where = stream(s, PLACE, step, row);
    rj_random how = stream(s, DEGRADE, step, row % HALF);
    rj_image window = {0}, seen = {0};
    const rj_image *image;
    rij_status status;
    rj_place p;

    RJ_TRY(rj_cache_take(s->j->cache, sample, &image));
    p = rj_place_draw(image->w, image->h, s->j->o.crop, &where);
    status = rj_image_crop(image, p.x, p.y, p.w, p.h, &window);
    rj_cache_release(s->j->cache, sample, image);
    RJ_TRY(status);
    status = s->blur_jpeg ? blur_jpeg(&window, &how, &seen)
                          : rj_degrade(&window, &s->law, &how, &seen);
    rj_image_free(&window);
    RJ_TRY(status);
    write_planar(&seen, &p, planar);
    rj_image_free(&seen);
    return RIJ_OK;
}

/* `batch` has room for one. */
static rij_status write_batches(source *s, uint8_t *batch)
{
    const size_t each = 3 * (size_t)s->j->o.crop * (size_t)s->j->o.crop;
    const size_t n = BATCH * (1 + each);

    for (int64_t step = 0; step < s->j->steps; step++) {
        for (int row = 0; row < BATCH; row++) {
            const int label = row < HALF ? RJ_REAL_LABEL : RJ_FAKE_LABEL;
            const int sample = walk_next(&s->walk[label], s->j->seed);

            batch[row] = (uint8_t)label;
            RJ_TRY(put(s, sample, step, row, batch + BATCH + (size_t)row * each));
        }
        RJ_REQUIRE(fwrite(batch, 1, n, stdout) == n, RIJ_E_FILE,
                   "standard output: could not be written");
    }
    RJ_REQUIRE(fflush(stdout) == 0, RIJ_E_FILE, "standard output: could not be written");
    return RIJ_OK;
}

static rij_status crops(job *j)
{
    const rj_trainer trainer = {.o = j->o};
    const size_t each = 3 * (size_t)j->o.crop * (size_t)j->o.crop;
    source s = {.j = j, .law = rj_trainer_law(&trainer).degrade};
    uint8_t *batch = rj_alloc(BATCH, 1 + each);
    rij_status status = RIJ_OK;

    if (!batch)
        status = rj_fail(RIJ_E_MEMORY, "no memory for a batch of %d crops", BATCH);
    s.blur_jpeg = strcmp(j->law, "blur-jpeg") == 0;
    for (int label = 0; label < 2 && status == RIJ_OK; label++)
        status = walk_new(j, label, &s.walk[label]);
    if (status == RIJ_OK)
        status = write_batches(&s, batch);
    rj_free(s.walk[0].sample);
    rj_free(s.walk[1].sample);
    rj_free(batch);
    return status;
}

/* ---- the program ------------------------------------------------------------------ */

static int usage(void)
{
    fputs("rival_pixels columns --manifest FILE --split NAME --out DIR [--held] "
          "[--seed N] COLUMN ..\n"
          "rival_pixels crops --manifest FILE --split NAME --seed N --steps N "
          "[--law library|blur-jpeg] [--crop N]\n",
          stderr);
    return 2;
}

/* Returns 0, or 1 if the text is no whole number of at most nine digits. */
static int whole(const char *text, int64_t *out)
{
    char *end;

    *out = strtoll(text, &end, 10);
    return *text < '0' || *text > '9' || *end || end - text > 9;
}

static int read_options(int argc, char **argv, job *j)
{
    static const struct option known[] = {
        {"manifest", required_argument, NULL, 'm'},
        {"split", required_argument, NULL, 's'},
        {"out", required_argument, NULL, 'o'},
        {"held", no_argument, NULL, 'h'},
        {"seed", required_argument, NULL, 'r'},
        {"steps", required_argument, NULL, 'n'},
        {"law", required_argument, NULL, 'l'},
        {"crop", required_argument, NULL, 'c'},
        {0},
    };
    int64_t number = 0;
    int letter;

    while ((letter = getopt_long(argc, argv, "", known, NULL)) != -1) {
        if (letter == '?' || (strchr("rnc", letter) && whole(optarg, &number) != 0))
            return usage();
        switch (letter) {
        case 'm':
            j->manifest = optarg;
            break;
        case 's':
            j->split = optarg;
            break;
        case 'o':
            j->out = optarg;
            break;
        case 'l':
            j->law = optarg;
            break;
        case 'h':
            j->held = 1;
            break;
        case 'r':
            j->seed = (uint64_t)number;
            break;
        case 'n':
            j->steps = number;
            break;
        case 'c':
            j->crop = (int)number;
            break;
        }
    }
    if (strcmp(j->law, "library") != 0 && strcmp(j->law, "blur-jpeg") != 0)
        return usage();
    return j->manifest && j->split ? 0 : usage();
}

int main(int argc, char **argv)
{
    const char *verb = argc > 1 ? argv[1] : "";
    const bool by_column = strcmp(verb, "columns") == 0;
    job j = {.law = "library"};
    rij_status status;

    if (argc < 2 || read_options(argc - 1, argv + 1, &j) != 0)
        return argc < 2 ? usage() : 2;
    if (by_column ? !j.out || optind + 1 >= argc : strcmp(verb, "crops") != 0)
        return usage();
    status = open_data(&j);
    if (status == RIJ_OK)
        status =
            by_column ? columns(&j, argc - 1 - optind, argv + 1 + optind) : crops(&j);
    close_data(&j);
    if (status != RIJ_OK)
        fprintf(stderr, "rival_pixels: %s\n", rij_last_error());
    return status == RIJ_OK ? 0 : 1;
}
