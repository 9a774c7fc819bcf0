/* pool.c: threads that take the pieces of one job at a time.
 *
 * `left` counts the pieces that nobody has taken; taking one is counting it down, and
 * the piece is number n - left of the job that is there at that moment. What the job is
 * gets read after a piece was taken: the caller then waits for that piece, so the job
 * stays. A worker that comes late finds nothing left, touches nothing, and nobody waits
 * for it; one that comes so late that the next job is there takes a piece of that one.
 *
 * Threads that have just worked spin for some microseconds before they sleep. So jobs in
 * a row need no lock and no call of the system, and an idle pool burns nothing. */
#include "base/base.h"
#include <stdatomic.h>
#include <errno.h>
#include <unistd.h>

enum { LINE = 64, SPINS_PER_LOOK = 32 }; /* bytes that processors exchange at once */
static const double spin_s = 60e-6;

struct rj_pool {
    int threads;
    pthread_t *thread; /* threads - 1 of them; the caller is the last */
    int started;
    pthread_mutex_t busy; /* held by the thread whose job this is */
    /* the job: written before `left`, read by whoever took a piece */
    rj_piece piece;
    void *job;
    int n;
    pthread_mutex_t failing; /* guards the three below */
    int failed_index;
    rij_status failed;
    char message[256];
    pthread_mutex_t lock; /* guards falling asleep, and the two below */
    pthread_cond_t wake, idle;
    unsigned wakes;
    /* every pair below: one thread writes its own, then reads the other's, in one order
     * for all, so one of two always notices: left or stop against sleepers, done against
     * waiting */
    atomic_int sleepers; /* workers that sleep or are about to */
    atomic_bool waiting; /* the caller sleeps or is about to */
    atomic_bool stop;
    _Alignas(LINE) atomic_int left;
    _Alignas(LINE) atomic_int done; /* pieces that workers have finished */
    char rest[LINE - sizeof(atomic_int)];
};

/* Tell the processor that this is a spin loop, where it has a word for that. */
static inline void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
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

/* Take pieces until none is left; returns how many. All run, even after a failure, so
 * that which failure is the lowest does not depend on timing. */
static int take_pieces(rj_pool *p, int worker)
{
    int taken = 0;

    for (int left = atomic_fetch_sub(&p->left, 1); left > 0;
         left = atomic_fetch_sub(&p->left, 1)) {
        const int index = p->n - left;
        const rij_status status = p->piece(p->job, index, worker);

        if (status != RIJ_OK)
            keep_failure(p, index, status);
        taken++;
    }
    return taken;
}

/* ---- a worker --------------------------------------------------------------------- */

/* Is there anything to do? */
static bool called(rj_pool *p)
{
    return atomic_load(&p->left) > 0 || atomic_load(&p->stop);
}

/* Sleep until somebody calls, or briefly. */
static void sleep_until_called(rj_pool *p)
{
    unsigned seen;

    pthread_mutex_lock(&p->lock);
    atomic_fetch_add(&p->sleepers, 1);
    seen = p->wakes;
    while (p->wakes == seen && !called(p))
        pthread_cond_wait(&p->wake, &p->lock);
    if (p->wakes == seen) // else the one who called has counted this one out
        atomic_fetch_sub(&p->sleepers, 1);
    pthread_mutex_unlock(&p->lock);
}

/* True as soon as there may be a piece to take; false when the pool stops. Called without
 * luck, for the others were faster, a worker spins again before it sleeps again. */
static bool wait_for_work(rj_pool *p)
{
    for (;; sleep_until_called(p)) {
        const double until = rj_now_s() + spin_s;

        do {
            for (int i = 0; i < SPINS_PER_LOOK; i++) {
                if (called(p))
                    return !atomic_load(&p->stop);
                relax();
            }
        } while (rj_now_s() < until);
    }
}

static void *work(void *argument)
{
    struct seat *seat = argument;
    rj_pool *p = seat->pool;
    const int worker = seat->worker;

    rj_free(seat);
    while (wait_for_work(p)) {
        const int taken = take_pieces(p, worker);

        if (taken == 0)
            continue;
        atomic_fetch_add(&p->done, taken);
        if (atomic_load(&p->waiting)) {
            pthread_mutex_lock(&p->lock);
            pthread_cond_signal(&p->idle);
            pthread_mutex_unlock(&p->lock);
        }
    }
    return NULL;
}

/* ---- the caller ------------------------------------------------------------------- */

static void wake_sleepers(rj_pool *p)
{
    if (atomic_load(&p->sleepers) == 0)
        return;
    pthread_mutex_lock(&p->lock);
    p->wakes++;
    atomic_store(&p->sleepers, 0);
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
}

/* Until workers have finished the `n` pieces that they took. */
static void wait_for_workers(rj_pool *p, int n)
{
    const double until = atomic_load(&p->done) == n ? 0 : rj_now_s() + spin_s;

    do {
        for (int i = 0; i < SPINS_PER_LOOK; i++) {
            if (atomic_load(&p->done) == n)
                return;
            relax();
        }
    } while (rj_now_s() < until);
    pthread_mutex_lock(&p->lock);
    atomic_store(&p->waiting, true);
    while (atomic_load(&p->done) != n)
        pthread_cond_wait(&p->idle, &p->lock);
    atomic_store(&p->waiting, false);
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
    atomic_store_explicit(&p->done, 0, memory_order_relaxed);
    atomic_store(&p->left, n);
    wake_sleepers(p);
    wait_for_workers(p, n - take_pieces(p, p->threads - 1));
    status = p->failed;
    if (status != RIJ_OK)
        rj_fail(status, "%s", p->message);
    pthread_mutex_unlock(&p->busy);
    return status;
}

int rj_thread_start(pthread_t *thread, void *(*start)(void *), void *argument)
{
    return rj_fault_due(RJ_FAULT_THREAD) ? EAGAIN
                                         : pthread_create(thread, NULL, start, argument);
}

/* As many workers as the system grants; `threads` is then so many and the caller. */
static rij_status start_workers(rj_pool *p)
{
    bool granted = true;

    for (int i = 0; i < p->threads - 1 && granted; i++) {
        struct seat *seat = rj_alloc(1, sizeof *seat);
        RJ_REQUIRE(seat, RIJ_E_MEMORY, "no memory for a thread");
        *seat = (struct seat){p, i};
        granted = rj_thread_start(&p->thread[i], work, seat) == 0;
        p->started += granted;
        if (!granted)
            rj_free(seat);
    }
    p->threads = p->started + 1;
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
    wake_sleepers(p);
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
