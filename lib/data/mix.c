/* mix.c: what a batch holds. Every choice comes from a random stream that is named by the
 * batch's number, a row and a purpose, so nothing depends on who makes a row or when.
 *
 * Images of a class are taken in the order of one permutation per epoch, in which one
 * stands as often as its sample says (`draws`), laid end to end: batch t takes places t k
 * .. t k + k - 1 of that endless walk. In a mixed batch a fake that is forged instead
 * leaves its place of the walk unused. */
#include "data/data.h"

#include <string.h>

enum { MOST_IMAGES = 8192, ROW_BITS = 15, STEP_BITS = 30 };

/* Purposes of a stream: where a view lies, how it is degraded, how a fake is forged, how
 * traces are broken. */
enum purpose { PLACE, DEGRADE, FORGE, BREAK };

struct rj_mix {
    const rj_dataset *d;
    rj_cache *cache;
    enum rj_batch_kind kind;
    rj_view_law law;
    int reals, fakes, broken, rows; /* of one batch */
    uint64_t seed;
    int *member[2], n[2]; /* samples of either label that take part, once a draw */
    int *first, *child;   /* stored children of sample s: child[first[s] .. first[s+1]) */
};

/* ---- what there is to draw from --------------------------------------------------- */

static bool takes_part(const rj_sample *s)
{
    return s->usable && !s->validation;
}

static bool is_child(const rj_dataset *d, const rj_sample *s)
{
    return takes_part(s) && s->label == RJ_FAKE_LABEL && s->parent >= 0 &&
           takes_part(&d->sample[s->parent]);
}

static int draws(const rj_sample *s)
{
    return takes_part(s) ? RJ_MAX(s->draws, 1) : 0;
}

static rij_status collect(rj_mix *m)
{
    const rj_dataset *d = m->d;
    const size_t n = (size_t)RJ_MAX(d->n, 1);
    size_t all[2] = {1, 1};

    for (int i = 0; i < d->n; i++)
        all[d->sample[i].label] += (size_t)draws(&d->sample[i]);
    m->member[0] = rj_alloc(all[0], sizeof(int));
    m->member[1] = rj_alloc(all[1], sizeof(int));
    m->child = rj_alloc(n, sizeof(int));
    m->first = rj_alloc(n + 2, sizeof(int));
    RJ_REQUIRE(m->member[0] && m->member[1] && m->child && m->first, RIJ_E_MEMORY,
               "batches: no memory for %d samples", d->n);
    for (int i = 0; i < d->n; i++) {
        const rj_sample *s = &d->sample[i];

        for (int k = draws(s); k > 0; k--)
            m->member[s->label][m->n[s->label]++] = i;
        if (is_child(d, s))
            m->first[s->parent + 2]++; // counts, one place ahead of where they are added
    }
    for (int i = 1; i < d->n + 2; i++)
        m->first[i] += m->first[i - 1];
    for (int i = 0; i < d->n; i++)
        if (is_child(d, &d->sample[i]))
            m->child[m->first[d->sample[i].parent + 1]++] = i;
    RJ_REQUIRE(m->n[RJ_REAL_LABEL] > 0, RIJ_E_DATA,
               "batches: no usable real images to train with");
    return RIJ_OK;
}

static bool share(double x)
{
    return x >= 0 && x <= 1;
}

static rij_status check_law(const rj_view_law *v)
{
    const rj_law *l = &v->degrade;

    RJ_REQUIRE(v->crop >= 8 && v->crop <= 4096, RIJ_E_ARGUMENT,
               "batches: crop %d, not 8..4096", v->crop);
    RJ_REQUIRE(
        share(v->forged) && share(v->blended) && share(v->operated) && share(l->share),
        RIJ_E_ARGUMENT,
        "batches: shares %g forged, %g blended, %g operated, %g degraded, not 0..1",
        v->forged, v->blended, v->operated, l->share);
    RJ_REQUIRE(l->share == 0 ||
                   (l->jpeg_min >= 1 && l->jpeg_min <= l->jpeg_max && l->jpeg_max <= 100),
               RIJ_E_ARGUMENT, "batches: JPEG quality %d..%d, not within 1..100",
               l->jpeg_min, l->jpeg_max);
    RJ_REQUIRE(l->share == 0 ||
                   (l->blur_max >= 0 && l->blur_max <= 64 && l->noise_max >= 0 &&
                    l->noise_max <= 255 && l->resize_min > 0 && l->resize_min <= 1),
               RIJ_E_ARGUMENT, "batches: blur %g, noise %g or resize %g out of range",
               l->blur_max, l->noise_max, l->resize_min);
    return RIJ_OK;
}

rij_status rj_mix_new(const rj_dataset *d, rj_cache *cache, enum rj_batch_kind kind,
                      const rj_view_law *law, int images, int broken, uint64_t seed,
                      rj_mix **out)
{
    const bool mixed = kind == RJ_BATCH_MIXED;
    const int reals = mixed ? images / 2 : images;
    rij_status status;
    rj_mix *m;

    RJ_REQUIRE(images >= 1 && images <= MOST_IMAGES && (!mixed || images % 2 == 0),
               RIJ_E_ARGUMENT, "batches of %d images, not 1..%d%s", images, MOST_IMAGES,
               mixed ? ", even" : "");
    RJ_REQUIRE(broken >= 0 && broken <= 2 * reals, RIJ_E_ARGUMENT,
               "batches: %d trace-broken views of %d real ones", broken, 2 * reals);
    RJ_TRY(check_law(law));
    m = rj_alloc(1, sizeof *m);
    RJ_REQUIRE(m, RIJ_E_MEMORY, "batches: no memory");
    *m = (rj_mix){.d = d, .cache = cache, .kind = kind, .law = *law, .seed = seed};
    m->reals = reals;
    m->fakes = images - reals;
    m->broken = broken;
    m->rows = 2 * images + broken;
    status = collect(m);
    if (status != RIJ_OK) {
        rj_mix_free(m);
        return status;
    }
    if (m->n[RJ_FAKE_LABEL] == 0)
        m->law.forged = 1; // there is nothing else
    *out = m;
    return RIJ_OK;
}

void rj_mix_free(rj_mix *m)
{
    if (!m)
        return;
    rj_free(m->member[0]);
    rj_free(m->member[1]);
    rj_free(m->child);
    rj_free(m->first);
    rj_free(m);
}

rij_status rj_walk_new(const rj_mix *m, rj_walk *out)
{
    rj_walk w = {.epoch = {-1, -1}};

    for (int label = 0; label < 2; label++)
        w.order[label] = rj_alloc((size_t)RJ_MAX(m->n[label], 1), sizeof(int));
    if (!w.order[0] || !w.order[1]) {
        rj_walk_free(&w);
        return rj_fail(RIJ_E_MEMORY, "batches: no memory for an order");
    }
    *out = w;
    return RIJ_OK;
}

void rj_walk_free(rj_walk *w)
{
    rj_free(w->order[0]);
    rj_free(w->order[1]);
    *w = (rj_walk){0};
}

rij_status rj_mix_batch_new(const rj_mix *m, rj_batch *out)
{
    const size_t rows = (size_t)m->rows, side = (size_t)m->law.crop;
    rj_batch b = {m->rows,
                  m->law.crop,
                  rj_alloc(rows * 3 * side * side, sizeof(float)),
                  rj_alloc(rows, sizeof(rj_real)),
                  rj_alloc(rows, sizeof(rj_real)),
                  rj_alloc(rows, sizeof(int)),
                  0};

    if (!b.x || !b.label || !b.pair || !b.sample) {
        rj_mix_batch_free(&b);
        return rj_fail(RIJ_E_MEMORY, "no memory for a batch of %d views", m->rows);
    }
    *out = b;
    return RIJ_OK;
}

void rj_mix_batch_free(rj_batch *batch)
{
    rj_free(batch->x);
    rj_free(batch->label);
    rj_free(batch->pair);
    rj_free(batch->sample);
    *batch = (rj_batch){0};
}

/* ---- one batch -------------------------------------------------------------------- */

/* A batch being made. */
typedef struct job {
    const rj_mix *m;
    rj_walk *walk;
    rj_batch *batch;
    int64_t t;
} job;

static rj_random stream(const job *j, enum purpose purpose, int row)
{
    const uint64_t kind = (uint64_t)j->m->kind << 2 | (uint64_t)purpose;
    const uint64_t step = (uint64_t)j->t & (((uint64_t)1 << STEP_BITS) - 1);

    return rj_random_start(j->m->seed, RJ_STREAM_VIEW,
                           (kind << STEP_BITS | step) << ROW_BITS | (uint64_t)row);
}

/* Sample at a position of the endless walk through a label. */
static int walk_to(const job *j, int label, int64_t position)
{
    const rj_mix *m = j->m;
    const int n = m->n[label];
    int *order = j->walk->order[label];
    const int64_t epoch = position / n;

    if (j->walk->epoch[label] != epoch) {
        const uint64_t which = (uint64_t)m->kind << 1 | (uint64_t)label;
        rj_random r =
            rj_random_start(m->seed, RJ_STREAM_ORDER, which << 46 | (uint64_t)epoch);

        for (int i = 0; i < n; i++)
            order[i] = i;
        rj_random_shuffle(&r, order, n);
        j->walk->epoch[label] = epoch;
    }
    return m->member[label][order[position % n]];
}

/* Finish a window into row `row`, degraded as row `like` is. */
static rij_status put(const job *j, const rj_image *window, const rj_place *place,
                      int row, int like, int label, int sample)
{
    rj_batch *b = j->batch;
    const size_t each = (size_t)3 * (size_t)b->crop * (size_t)b->crop;
    const int views = j->m->rows - j->m->broken, images = views / 2;

    b->label[row] = (rj_real)label;
    b->pair[row] =
        row >= views ? -1 : (rj_real)(row < images ? row + images : row - images);
    b->sample[row] = sample;
    return rj_view_write(window, place, &j->m->law.degrade, stream(j, DEGRADE, like),
                         b->x + (size_t)row * each);
}

/* Row `row` as it is forged from a window of a real: an operator of its own. */
static rij_status put_broken(const job *j, const rj_image *window, const rj_place *place,
                             int row, int like)
{
    rj_random r = stream(j, BREAK, row);
    const enum rj_operator which = (enum rj_operator)rj_random_below(&r, RJ_OPERATORS);
    rj_image broken;
    rij_status status;

    RJ_TRY(rj_operate(window, which, &r, &broken));
    status = put(j, &broken, place, row, like, 2, -1);
    rj_image_free(&broken);
    return status;
}

/* How fake i of a batch is made. */
typedef struct forging {
    bool wanted;
    double share;          /* of the child; the rest is its parent */
    int sample;            /* of the stored child, or -1 */
    const rj_image *child; /* taken from the cache, or NULL */
    rj_random r;           /* of the remake, the same for both views */
} forging;

/* The same draws whatever comes of them. */
static forging draw_forging(const job *j, int row, int parent)
{
    const rj_mix *m = j->m;
    const int children = m->first[parent + 1] - m->first[parent];
    rj_random r = stream(j, FORGE, row);
    forging f = {.share = 1, .sample = -1};
    double u;

    f.wanted = rj_random_uniform(&r, 0, 1) < m->law.forged;
    u = rj_random_uniform(&r, 0, 1);
    if (rj_random_uniform(&r, 0, 1) >= m->law.operated && children > 0)
        f.sample = m->child[m->first[parent] + (int)(u * children)];
    u = rj_random_uniform(&r, 0, 1);
    f.share = rj_random_uniform(&r, 0.3, 1);
    if (u >= m->law.blended)
        f.share = 1;
    f.r = r;
    return f;
}

/* The child's window from its parent's: of the stored child, else remade. */
static rij_status forge_window(const forging *f, const rj_image *window,
                               const rj_place *place, rj_image *out)
{
    rj_random r = f->r;
    rj_image child;
    rij_status status;

    if (f->child)
        RJ_TRY(rj_image_crop(f->child, place->x, place->y, place->w, place->h, &child));
    else
        RJ_TRY(rj_remake(window, &r, &child));
    if (f->share >= 1) {
        *out = child;
        return RIJ_OK;
    }
    status = rj_image_blend(&child, window, f->share, out);
    rj_image_free(&child);
    return status;
}

static rij_status put_forged(const job *j, const forging *f, const rj_image *window,
                             const rj_place *place, int row, int like)
{
    rj_image forged;
    rij_status status;

    RJ_TRY(forge_window(f, window, place, &forged));
    status = put(j, &forged, place, row, like, RJ_FAKE_LABEL, f->child ? f->sample : -1);
    rj_image_free(&forged);
    return status;
}

/* View v of real image i, and whatever is made from the same window. */
static rij_status put_view(const job *j, const rj_image *image, int sample,
                           const forging *f, int i, int v)
{
    const rj_mix *m = j->m;
    const int images = m->reals + m->fakes, row = v * images + i;
    const int broken = v * m->reals + i; // this view's number among the real ones
    rj_random r = stream(j, PLACE, row);
    const rj_place place = rj_place_draw(image->w, image->h, m->law.crop, &r);
    rij_status status;
    rj_image window;

    RJ_TRY(rj_image_crop(image, place.x, place.y, place.w, place.h, &window));
    status = put(j, &window, &place, row, row, RJ_REAL_LABEL, sample);
    if (status == RIJ_OK && broken < m->broken)
        status = put_broken(j, &window, &place, 2 * images + broken, row);
    if (status == RIJ_OK && f->wanted)
        status = put_forged(j, f, &window, &place, row + m->reals, row);
    rj_image_free(&window);
    return status;
}

/* Both views of real image i, of what is forged from it, and its trace-broken views. A
 * stored child of another size than its parent makes no pair: a remade window does. */
static rij_status put_real(const job *j, int i, forging *f)
{
    const rj_mix *m = j->m;
    const int sample = walk_to(j, RJ_REAL_LABEL, j->t * m->reals + i);
    const rj_image *image, *child = NULL;
    rij_status status;

    *f = m->fakes > 0 ? draw_forging(j, m->reals + i, sample) : (forging){0};
    RJ_TRY(rj_cache_take(m->cache, sample, &image));
    if (f->wanted && f->sample >= 0)
        status = rj_cache_take(m->cache, f->sample, &child);
    else
        status = RIJ_OK;
    if (status == RIJ_OK && child && child->w == image->w && child->h == image->h)
        f->child = child;
    for (int v = 0; v < 2 && status == RIJ_OK; v++)
        status = put_view(j, image, sample, f, i, v);
    rj_cache_release(m->cache, sample, image);
    rj_cache_release(m->cache, f->sample, child);
    f->child = NULL;
    return status;
}

/* Both views of a stored fake, in the place of fake i. */
static rij_status put_fake(const job *j, int i)
{
    const rj_mix *m = j->m;
    const int sample = walk_to(j, RJ_FAKE_LABEL, j->t * m->fakes + i);
    rij_status status = RIJ_OK;
    const rj_image *image;

    RJ_TRY(rj_cache_take(m->cache, sample, &image));
    for (int v = 0; v < 2 && status == RIJ_OK; v++) {
        const int like = v * (m->reals + m->fakes) + i, row = like + m->reals;
        rj_random r = stream(j, PLACE, row);
        const rj_place place = rj_place_draw(image->w, image->h, m->law.crop, &r);
        rj_image window;

        status = rj_image_crop(image, place.x, place.y, place.w, place.h, &window);
        if (status != RIJ_OK)
            break;
        status = put(j, &window, &place, row, like, RJ_FAKE_LABEL, sample);
        rj_image_free(&window);
    }
    rj_cache_release(m->cache, sample, image);
    return status;
}

rij_status rj_mix_fill(const rj_mix *m, int64_t t, const atomic_bool *stop, rj_walk *w,
                       rj_batch *batch)
{
    const job j = {m, w, batch, t};

    batch->step = t;
    for (int i = 0; i < m->reals; i++) {
        forging f;

        RJ_REQUIRE(!atomic_load(stop), RIJ_E_CANCELLED, "batch %jd: stopped",
                   (intmax_t)t);
        RJ_TRY(put_real(&j, i, &f));
        if (m->fakes > 0 && !f.wanted)
            RJ_TRY(put_fake(&j, i));
    }
    return RIJ_OK;
}
