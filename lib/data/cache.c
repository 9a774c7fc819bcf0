/* cache.c: decoded images shared by threads. The first that fit are kept for good; the
 * others are decoded each time. Which are kept depends on timing, what they hold does
 * not. */
#include "data/data.h"

#include <pthread.h>

enum { AT_A_TIME = 64 }; /* images between two words about a check */

struct rj_cache {
    const rj_dataset *d;
    int n;                /* samples */
    int64_t limit;        /* bytes */
    pthread_mutex_t lock; /* guards the two below */
    int64_t used;         /* bytes */
    rj_image *kept;       /* one place a sample; never moved, never dropped */
};

rij_status rj_cache_new(const rj_dataset *d, int64_t bytes, rj_cache **out)
{
    rj_cache *c = rj_alloc(1, sizeof *c);

    RJ_REQUIRE(c, RIJ_E_MEMORY, "no memory for a cache");
    c->kept = rj_alloc((size_t)RJ_MAX(d->n, 1), sizeof *c->kept);
    if (!c->kept) {
        rj_free(c);
        return rj_fail(RIJ_E_MEMORY, "no memory for a cache of %d images", d->n);
    }
    c->d = d;
    c->n = d->n;
    c->limit = bytes;
    pthread_mutex_init(&c->lock, NULL);
    *out = c;
    return RIJ_OK;
}

void rj_cache_free(rj_cache *c)
{
    if (!c)
        return;
    for (int i = 0; i < c->n; i++)
        rj_image_free(&c->kept[i]);
    pthread_mutex_destroy(&c->lock);
    rj_free(c->kept);
    rj_free(c);
}

static const rj_image *find(rj_cache *c, int sample)
{
    const rj_image *image = &c->kept[sample];
    bool there;

    pthread_mutex_lock(&c->lock);
    there = image->rgb != NULL;
    pthread_mutex_unlock(&c->lock);
    return there ? image : NULL;
}

/* Keep an image if it fits and no other thread was faster. Takes its pixels then, and
 * returns the kept one. */
static const rj_image *keep(rj_cache *c, int sample, rj_image *image)
{
    const int64_t bytes = (int64_t)3 * image->w * image->h;
    rj_image *place = &c->kept[sample];
    bool kept;

    pthread_mutex_lock(&c->lock);
    if (!place->rgb && bytes <= c->limit - c->used) {
        c->used += bytes;
        *place = *image;
        *image = (rj_image){0};
    }
    kept = place->rgb != NULL;
    pthread_mutex_unlock(&c->lock);
    return kept ? place : NULL;
}

static rij_status read_sample(const rj_dataset *d, const rj_sample *s, rj_image *out)
{
    rj_image as_it_is = {0};
    rij_status status;

    RJ_TRY(rj_image_read_in(d->cage, s->path, &as_it_is));
    if (s->quality == 0) {
        *out = as_it_is;
        return RIJ_OK;
    }
    status = rj_degrade_jpeg(&as_it_is, s->quality, out);
    rj_image_free(&as_it_is);
    return status;
}

rij_status rj_cache_take(rj_cache *c, int sample, const rj_image **image)
{
    const rj_image *kept = find(c, sample);
    rj_image decoded, *own;

    if (!kept) {
        RJ_TRY(read_sample(c->d, &c->d->sample[sample], &decoded));
        kept = keep(c, sample, &decoded);
    } else {
        decoded = (rj_image){0};
    }
    if (kept) {
        rj_image_free(&decoded); // another thread may have kept its own
        *image = kept;
        return RIJ_OK;
    }
    own = rj_alloc(1, sizeof *own);
    if (!own) {
        rj_image_free(&decoded);
        return rj_fail(RIJ_E_MEMORY, "no memory for an image");
    }
    *own = decoded;
    *image = own;
    return RIJ_OK;
}

void rj_cache_release(rj_cache *c, int sample, const rj_image *image)
{
    rj_image own;

    if (!image || image == &c->kept[sample])
        return;
    own = *image;
    rj_free((void *)(uintptr_t)image);
    rj_image_free(&own);
}

/* ---- looking at every sample once ------------------------------------------------- */

typedef struct check {
    rj_dataset *d;
    rj_cache *cache;
    char **reason; /* NULL: usable */
    int first;     /* of the samples that are being looked at */
} check;

/* Only a file's own fault makes a sample unusable; lack of memory stops the check. */
static rij_status look(void *job, int index, int worker)
{
    const check *k = job;
    const int i = k->first + index;
    const rj_image *image;
    rij_status status = rj_cache_take(k->cache, i, &image);

    (void)worker;
    if (status == RIJ_OK) {
        status = rj_softness_shown(image, &k->d->sample[i].softness);
        rj_cache_release(k->cache, i, image);
        return status;
    }
    if (status != RIJ_E_FILE && status != RIJ_E_IMAGE)
        return status;
    k->reason[i] = rj_strdup(rij_last_error());
    RJ_REQUIRE(k->reason[i], RIJ_E_MEMORY, "no memory for a note");
    return RIJ_OK;
}

/* All samples, some at a time so that `looked` hears of it. */
static rij_status look_at_all(check *k, rj_pool *pool, rj_looked looked, void *user)
{
    const int n = k->d->n;

    while (k->first < n) {
        const int some = RJ_MIN(n - k->first, AT_A_TIME);

        RJ_TRY(rj_parallel_for(pool, some, look, k));
        k->first += some;
        if (looked && k->first < n)
            RJ_TRY(looked(k->first, user));
    }
    return RIJ_OK;
}

rij_status rj_dataset_check(rj_dataset *d, rj_cache *c, rj_pool *pool, rj_note note,
                            rj_looked looked, void *user)
{
    check k = {d, c, rj_alloc((size_t)RJ_MAX(d->n, 1), sizeof *k.reason), 0};
    rij_status status;

    RJ_REQUIRE(k.reason, RIJ_E_MEMORY, "no memory for %d notes", d->n);
    status = look_at_all(&k, pool, looked, user);
    for (int i = 0; i < d->n && status == RIJ_OK; i++)
        if (k.reason[i])
            d->sample[i].usable = false;
    for (int i = 0; i < d->n && status == RIJ_OK; i++)
        if (k.reason[i] && note && note(k.reason[i], user) != 0)
            status = rj_fail(RIJ_E_CANCELLED, "cancelled while the images were checked");
    for (int i = 0; i < d->n; i++)
        rj_free(k.reason[i]);
    rj_free(k.reason);
    return status;
}
