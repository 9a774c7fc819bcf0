/* views.c: the views a training validates itself on. They are made once, from images of
 * groups that never train: each chosen image natively and, by the training's own law,
 * degraded; and remade children of the photographs, where the training forges any, so
 * that the threshold is fitted to fakes of both sorts. */
#include "judge/judge.h"
#include <string.h>

enum { PER_CLASS = 256, MARGIN = 32, MOST_WORKERS = 8 };

rj_view_law rj_trainer_law(const rj_trainer *t)
{
    const rij_train_options *o = &t->o;
    const double share = RJ_MAX(o->degraded, 0.0);

    return (rj_view_law){.crop = o->crop,
                         .degrade = {share, o->jpeg_min, o->jpeg_max, o->blur_max,
                                     o->noise_max, o->resize_min,
                                     strcmp(o->law, "chain") == 0},
                         .forged = o->shuffle_labels ? 0 : RJ_MAX(o->forged, 0.0),
                         .operated = RJ_MAX(o->operated, 0.0),
                         .blended = RJ_MAX(o->blended, 0.0)};
}

/* A step with statistics is quick: making its views takes most of the time. */
int rj_trainer_workers(const rj_trainer *t)
{
    const int threads = rj_pool_threads(t->pool);
    const bool quick = strcmp(t->o.encoder, "statistics") == 0;

    return RJ_MIN(quick ? threads : (threads + 3) / 4, MOST_WORKERS);
}

/* Up to PER_CLASS validation samples of a label, spread evenly over the data. */
static int choose(const rj_dataset *d, int label, int *chosen)
{
    const int have = rj_dataset_count(d, label, true);
    const int want = RJ_MIN(have, PER_CLASS);
    int seen = 0, n = 0;

    for (int i = 0; i < d->n && n < want; i++) {
        const rj_sample *s = &d->sample[i];
        if (s->label != label || !s->validation || !s->usable)
            continue;
        if ((int64_t)seen * want / have == n)
            chosen[n++] = i;
        seen++;
    }
    return n;
}

/* A window, remade if asked, degraded if asked, then the crop. */
static rij_status make_view(const rj_trainer *t, const rj_image *image, bool forge,
                            bool degrade, rj_random r, float *planar)
{
    const int crop = t->o.crop, w = RJ_MIN(image->w, crop + MARGIN);
    const int h = RJ_MIN(image->h, crop + MARGIN);
    rj_law law = rj_trainer_law(t).degrade;
    rj_image window = {0}, forged = {0}, degraded = {0}, view = {0};
    rij_status status;
    int x, y;

    x = rj_random_below(&r, image->w - w + 1);
    y = rj_random_below(&r, image->h - h + 1);
    law.share = degrade ? 1 : 0;
    RJ_TRY_DONE(rj_image_crop(image, x, y, RJ_MAX(w, crop), RJ_MAX(h, crop), &window));
    if (forge)
        RJ_TRY_DONE(rj_remake(&window, &r, &forged));
    RJ_TRY_DONE(rj_degrade(forge ? &forged : &window, &law, &r, &degraded));
    RJ_TRY_DONE(rj_image_crop(&degraded, (degraded.w - crop) / 2, (degraded.h - crop) / 2,
                              crop, crop, &view));
    rj_image_planar(&view, planar);
done:
    rj_image_free(&window);
    rj_image_free(&forged);
    rj_image_free(&degraded);
    rj_image_free(&view);
    return status;
}

/* Both views of a sample, natively and degraded, behind those there are. */
static rij_status add_sample(rj_trainer *t, int sample, int label, bool forge)
{
    const size_t each = 3 * (size_t)t->o.crop * (size_t)t->o.crop;
    const bool degraded = t->o.degraded > 0;
    const rj_image *image;
    rij_status status = RIJ_OK;

    RJ_TRY(rj_cache_take(t->cache, sample, &image));
    for (int i = 0; i < 1 + degraded && status == RIJ_OK; i++) {
        const rj_random r =
            rj_random_start(t->o.seed, RJ_STREAM_EVALUATE,
                            (uint64_t)sample * 4 + (uint64_t)(2 * forge + i));
        status = make_view(t, image, forge, i == 1, r, t->view + (size_t)t->views * each);
        t->view_label[t->views] = label;
        t->views += status == RIJ_OK;
    }
    rj_cache_release(t->cache, sample, image);
    return status;
}

rij_status rj_trainer_views(rj_trainer *t)
{
    const size_t each = 3 * (size_t)t->o.crop * (size_t)t->o.crop;
    int reals[PER_CLASS], fakes[PER_CLASS];
    const int n_real = choose(&t->data, RJ_REAL_LABEL, reals);
    const int n_fake = choose(&t->data, RJ_FAKE_LABEL, fakes);
    const bool forges = rj_trainer_law(t).forged > 0 || n_fake == 0;
    const size_t room = 2 * (size_t)(2 * n_real + n_fake) + 1;

    t->view = rj_alloc(room * each, sizeof *t->view);
    t->view_label = rj_alloc(room, sizeof *t->view_label);
    t->cls = rj_alloc(room, sizeof *t->cls);
    t->prox = rj_alloc(room, sizeof *t->prox);
    RJ_REQUIRE(t->view && t->view_label && t->cls && t->prox, RIJ_E_MEMORY,
               "train: no memory for %zu validation views", room);
    for (int i = 0; i < n_real; i++)
        RJ_TRY(add_sample(t, reals[i], RJ_REAL_LABEL, false));
    for (int i = 0; i < n_fake; i++)
        RJ_TRY(add_sample(t, fakes[i], RJ_FAKE_LABEL, false));
    for (int i = 0; i < n_real && forges; i++)
        RJ_TRY(add_sample(t, reals[i], RJ_FAKE_LABEL, true));
    RJ_REQUIRE(n_real > 0, RIJ_E_DATA,
               "train: no usable real image is left for validation");
    return RIJ_OK;
}

rij_status rj_trainer_judge(rj_trainer *t, rj_net *net, const float *trace, int traces)
{
    const rj_shape shape = rj_shape_plain(2, traces, t->o.embedding, 0, 0);
    const enum rj_precision precision = t->dev->precision;
    rj_arena arena = {0};
    rj_tensor *rows = NULL;
    rj_ready *ready = NULL;
    rij_status status = RIJ_OK;

    if (trace) {
        const size_t n = rj_count(&shape);
        rj_real *host = rj_arena_take(&arena, n, sizeof *host);
        for (size_t i = 0; host && i < n; i++)
            host[i] = trace[i];
        status = host ? rj_tensor_new(t->dev, &arena, &shape, false, &rows)
                      : rj_fail(RIJ_E_MEMORY, "train: no memory for the traces");
        if (status == RIJ_OK)
            status = rj_tensor_write(t->dev, rows, host);
    }
    t->dev->precision = RJ_FP32;
    if (status == RIJ_OK)
        status = rj_net_prepare(net, t->dev, t->o.crop, RJ_JUDGE_BATCH, &ready);
    if (status == RIJ_OK)
        status = rj_judge_planar(&(rj_jury){net, ready, rows, t->o.crop, t->distance},
                                 &t->judging, t->views, t->view, t->cls, t->prox);
    t->dev->precision = precision;
    rj_ready_free(ready);
    rj_arena_free(&arena);
    return status;
}
