/* batch.c: batches made ahead of time by threads of their own.
 *
 * Batch t is made in slot t mod slots. A worker takes the next number whose slot is free,
 * that is t < released + slots, where `released` batches are no longer borrowed; the
 * caller waits for the slot of the batch that is next. What is in a batch is mix.c's
 * business and does not depend on any of this. */
#include "data/data.h"

#include <string.h>
#include <time.h>

enum { MOST_WORKERS = 16, LEAST_SLOTS = 3 };

typedef struct slot {
    rj_batch batch;
    rj_walk walk;
    int64_t ready; /* the batch that is in it, -1: none */
    rij_status status;
    char message[256];
} slot;

struct rj_batcher {
    rj_mix *mix;
    slot *slot;
    int slots;
    pthread_t worker[MOST_WORKERS];
    int workers;
    pthread_mutex_t lock; /* guards what follows, and `ready` of the slots */
    pthread_cond_t filled, freed;
    int64_t taken, next, released;
    double waited_s, worked_s;
    atomic_bool stop;
};

/* Seconds of a processor that this thread has used. */
static double used_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Returns the seconds it used. */
static double fill(rj_batcher *b, slot *s, int64_t t)
{
    const double start_s = used_s();

    s->status = rj_mix_fill(b->mix, t, &b->stop, &s->walk, &s->batch);
    s->message[0] = 0;
    if (s->status != RIJ_OK)
        strncat(s->message, rij_last_error(), sizeof s->message - 1);
    return used_s() - start_s;
}

static void *work(void *argument)
{
    rj_batcher *b = argument;

    pthread_mutex_lock(&b->lock);
    for (;;) {
        double took_s;
        int64_t t;
        slot *s;

        while (!atomic_load(&b->stop) && b->taken >= b->released + b->slots)
            pthread_cond_wait(&b->freed, &b->lock);
        if (atomic_load(&b->stop))
            break;
        t = b->taken++;
        s = &b->slot[t % b->slots];
        pthread_mutex_unlock(&b->lock);
        took_s = fill(b, s, t);
        pthread_mutex_lock(&b->lock);
        b->worked_s += took_s;
        s->ready = t;
        pthread_cond_broadcast(&b->filled);
    }
    pthread_mutex_unlock(&b->lock);
    return NULL;
}

static rij_status make_slots(rj_batcher *b)
{
    b->slot = rj_alloc((size_t)b->slots, sizeof *b->slot);
    RJ_REQUIRE(b->slot, RIJ_E_MEMORY, "batches: no memory");
    for (int i = 0; i < b->slots; i++) {
        b->slot[i].ready = -1;
        RJ_TRY(rj_walk_new(b->mix, &b->slot[i].walk));
        RJ_TRY(rj_mix_batch_new(b->mix, &b->slot[i].batch));
    }
    return RIJ_OK;
}

/* As many as the system grants; with none the caller's thread makes the batches. */
static void start_workers(rj_batcher *b, int wanted)
{
    while (b->workers < wanted && rj_thread_start(&b->worker[b->workers], work, b) == 0)
        b->workers++;
}

rij_status rj_batcher_new(const rj_dataset *d, rj_cache *cache, enum rj_batch_kind kind,
                          const rj_view_law *law, int images, int broken, uint64_t seed,
                          int64_t first, int workers, rj_batcher **out)
{
    rij_status status;
    rj_batcher *b;

    RJ_REQUIRE(workers >= 0 && workers <= MOST_WORKERS, RIJ_E_ARGUMENT,
               "batches by %d workers, not 0..%d", workers, MOST_WORKERS);
    b = rj_alloc(1, sizeof *b);
    RJ_REQUIRE(b, RIJ_E_MEMORY, "batches: no memory");
    pthread_mutex_init(&b->lock, NULL);
    pthread_cond_init(&b->filled, NULL);
    pthread_cond_init(&b->freed, NULL);
    b->taken = b->next = b->released = first;
    b->slots = workers == 0 ? 1 : RJ_MAX(LEAST_SLOTS, workers + 1);
    status = rj_mix_new(d, cache, kind, law, images, broken, seed, &b->mix);
    if (status == RIJ_OK)
        status = make_slots(b);
    if (status == RIJ_OK)
        start_workers(b, workers);
    if (status != RIJ_OK) {
        rj_batcher_free(b);
        return status;
    }
    *out = b;
    return RIJ_OK;
}

/* A batch that failed is not skipped: the next call tells of it again. */
rij_status rj_batcher_next(rj_batcher *b, const rj_batch **batch)
{
    slot *s = &b->slot[b->next % b->slots];
    const double start_s = rj_now_s();

    const double here_s = b->workers == 0 ? fill(b, s, b->next) : 0;

    pthread_mutex_lock(&b->lock);
    b->released = b->next;
    pthread_cond_broadcast(&b->freed);
    while (b->workers > 0 && s->ready != b->next)
        pthread_cond_wait(&b->filled, &b->lock);
    b->worked_s += here_s;
    b->waited_s += rj_now_s() - start_s;
    pthread_mutex_unlock(&b->lock);
    RJ_REQUIRE(s->status == RIJ_OK, s->status, "%s", s->message);
    b->next++;
    *batch = &s->batch;
    return RIJ_OK;
}

void rj_batcher_times(rj_batcher *b, double *waited_s, double *worked_s)
{
    pthread_mutex_lock(&b->lock);
    *waited_s = b->waited_s;
    *worked_s = b->worked_s;
    pthread_mutex_unlock(&b->lock);
}

void rj_batcher_free(rj_batcher *b)
{
    if (!b)
        return;
    pthread_mutex_lock(&b->lock);
    atomic_store(&b->stop, true);
    pthread_cond_broadcast(&b->freed);
    pthread_mutex_unlock(&b->lock);
    for (int i = 0; i < b->workers; i++)
        pthread_join(b->worker[i], NULL);
    for (int i = 0; b->slot && i < b->slots; i++) {
        rj_walk_free(&b->slot[i].walk);
        rj_mix_batch_free(&b->slot[i].batch);
    }
    rj_mix_free(b->mix);
    pthread_cond_destroy(&b->filled);
    pthread_cond_destroy(&b->freed);
    pthread_mutex_destroy(&b->lock);
    rj_free(b->slot);
    rj_free(b);
}
