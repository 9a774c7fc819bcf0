/* pool.c: threads that take the pieces of one job at a time. A worker that has just
 * worked spins for some microseconds before it sleeps, so jobs in a row start at once
 * and an idle pool burns nothing. */
#include "base/base.h"
#include <pthread.h>
#include <unistd.h>

enum { SPINS = 4000 };

struct rj_pool {
    int threads;
    pthread_t *thread; /* threads - 1 of them; the caller is the last */
    int started;
    pthread_mutex_t busy; /* held by the thread whose job this is */
    pthread_mutex_t lock; /* guards sleeping and waking */
    pthread_cond_t wake, idle;
    atomic_uint turn;  /* number of the job */
    atomic_int active; /* workers inside the job */
    atomic_bool stop;
    /* the job: written before `turn` moves */
    rj_piece piece;
    void *job;
    int n;
    atomic_int next;
    pthread_mutex_t failing; /* guards the three below */
    int failed_index;
    rij_status failed;
    char message[256];
};

/* Tell the processor that this is a spin loop, where it has a word for that. */
static inline void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
}

struct seat {
    rj_pool *pool;
    int worker;
};

static void keep_failure(rj_pool *p, int index, rij_status status)
{
    pthread_mutex_lock(&p->failing);
    if (index < p->failed_index) {
        const char *text = rij_last_error();
        p->failed_index = index;
        p->failed = status;
        for (size_t i = 0; i < sizeof p->message; i++)
            p->message[i] = text[i];
    }
    pthread_mutex_unlock(&p->failing);
}

/* Take pieces until none is left. All run, even after a failure, so that which failure
 * is the lowest does not depend on timing. */
static void take_pieces(rj_pool *p, int worker)
{
    for (int i = atomic_fetch_add(&p->next, 1); i < p->n;
         i = atomic_fetch_add(&p->next, 1)) {
        const rij_status status = p->piece(p->job, i, worker);
        if (status != RIJ_OK)
            keep_failure(p, i, status);
    }
}

/* Wait until the turn is no longer `seen`; false when the pool stops. */
static bool wait_for_turn(rj_pool *p, unsigned seen)
{
    for (int i = 0; i < SPINS; i++) {
        if (atomic_load(&p->turn) != seen)
            return !atomic_load(&p->stop);
        relax();
    }
    pthread_mutex_lock(&p->lock);
    while (atomic_load(&p->turn) == seen)
        pthread_cond_wait(&p->wake, &p->lock);
    pthread_mutex_unlock(&p->lock);
    return !atomic_load(&p->stop);
}

static void *work(void *argument)
{
    struct seat *seat = argument;
    rj_pool *p = seat->pool;
    const int worker = seat->worker;
    unsigned seen = 0;

    rj_free(seat);
    while (wait_for_turn(p, seen)) {
        seen++;
        take_pieces(p, worker);
        if (atomic_fetch_sub(&p->active, 1) == 1) {
            pthread_mutex_lock(&p->lock);
            pthread_cond_signal(&p->idle);
            pthread_mutex_unlock(&p->lock);
        }
    }
    return NULL;
}

/* Let the workers see a new turn. */
static void begin_turn(rj_pool *p)
{
    pthread_mutex_lock(&p->lock);
    atomic_fetch_add(&p->turn, 1);
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
}

static void wait_until_idle(rj_pool *p)
{
    for (int i = 0; i < SPINS; i++) {
        if (atomic_load(&p->active) == 0)
            return;
        relax();
    }
    pthread_mutex_lock(&p->lock);
    while (atomic_load(&p->active) != 0)
        pthread_cond_wait(&p->idle, &p->lock);
    pthread_mutex_unlock(&p->lock);
}

static rij_status run_here(int n, rj_piece piece, void *job, int worker)
{
    rij_status first = RIJ_OK;
    char message[256];

    for (int i = 0; i < n; i++) {
        const rij_status status = piece(job, i, worker);
        if (status != RIJ_OK && first == RIJ_OK) {
            const char *text = rij_last_error();
            first = status;
            for (size_t k = 0; k < sizeof message; k++)
                message[k] = text[k];
        }
    }
    return first == RIJ_OK ? first : rj_fail(first, "%s", message);
}

rij_status rj_parallel_for(rj_pool *p, int n, rj_piece piece, void *job)
{
    rij_status status;

    if (n <= 1 || p->threads == 1 || pthread_mutex_trylock(&p->busy) != 0)
        return run_here(n, piece, job, p->threads - 1);
    p->piece = piece;
    p->job = job;
    p->n = n;
    p->failed_index = n;
    p->failed = RIJ_OK;
    atomic_store(&p->next, 0);
    atomic_store(&p->active, p->threads - 1);
    begin_turn(p);
    take_pieces(p, p->threads - 1);
    wait_until_idle(p);
    status = p->failed;
    if (status != RIJ_OK)
        rj_fail(status, "%s", p->message);
    pthread_mutex_unlock(&p->busy);
    return status;
}

static rij_status start_workers(rj_pool *p)
{
    for (int i = 0; i < p->threads - 1; i++) {
        struct seat *seat = rj_alloc(1, sizeof *seat);
        RJ_REQUIRE(seat, RIJ_E_MEMORY, "no memory for a thread");
        *seat = (struct seat){p, i};
        if (pthread_create(&p->thread[i], NULL, work, seat) != 0) {
            rj_free(seat);
            return rj_fail(RIJ_E_MEMORY, "thread %d of %d could not be started", i + 1,
                           p->threads);
        }
        p->started++;
    }
    return RIJ_OK;
}

rij_status rj_pool_new(int threads, rj_pool **pool)
{
    const long processors = sysconf(_SC_NPROCESSORS_ONLN);
    rj_pool *p;
    rij_status status;

    RJ_REQUIRE(threads >= 0 && threads <= RJ_MAX_THREADS, RIJ_E_ARGUMENT,
               "threads = %d is not in 0..%d", threads, RJ_MAX_THREADS);
    if (threads == 0)
        threads = (int)RJ_MAX(1, RJ_MIN(processors, RJ_MAX_THREADS));
    p = rj_alloc(1, sizeof *p);
    RJ_REQUIRE(p, RIJ_E_MEMORY, "no memory for a pool of %d threads", threads);
    p->threads = threads;
    pthread_mutex_init(&p->busy, NULL);
    pthread_mutex_init(&p->lock, NULL);
    pthread_mutex_init(&p->failing, NULL);
    pthread_cond_init(&p->wake, NULL);
    pthread_cond_init(&p->idle, NULL);
    p->thread = rj_alloc((size_t)threads, sizeof *p->thread);
    status = p->thread ? start_workers(p)
                       : rj_fail(RIJ_E_MEMORY, "no memory for %d threads", threads);
    if (status != RIJ_OK) {
        rj_pool_free(p);
        return status;
    }
    *pool = p;
    return RIJ_OK;
}

void rj_pool_free(rj_pool *p)
{
    if (!p)
        return;
    atomic_store(&p->stop, true);
    begin_turn(p);
    for (int i = 0; i < p->started; i++)
        pthread_join(p->thread[i], NULL);
    pthread_cond_destroy(&p->wake);
    pthread_cond_destroy(&p->idle);
    pthread_mutex_destroy(&p->busy);
    pthread_mutex_destroy(&p->lock);
    pthread_mutex_destroy(&p->failing);
    rj_free(p->thread);
    rj_free(p);
}

int rj_pool_threads(const rj_pool *p)
{
    return p->threads;
}
