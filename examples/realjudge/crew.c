/* crew.c: threads that work on inputs, one each at a time, results in the inputs' order.
 *
 *     next ──> worker ──> ring ──> deliver
 *      │  └──> worker ──>  │
 *      one at a time       in order, on the calling thread
 *
 * A worker decodes and judges by itself, so one decodes while another judges. No worker
 * runs further ahead of what was delivered than the ring is long: memory is bounded
 * however slow the reader or one picture is. */
#include "tool.h"
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

enum { AHEAD = 256, TICK_MS = 200 };

typedef struct slot {
    int full;
    result r;
} slot;

typedef struct state {
    const crew *c;
    pthread_mutex_t taking; /* held while an input is taken: one waits for the list */
    pthread_mutex_t lock;   /* guards what follows */
    pthread_cond_t ready, room;
    slot ring[AHEAD];
    size_t taken, delivered;
    int working; /* threads */
    atomic_int stop;
} state;

int processors(void)
{
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0)
        return CPU_COUNT(&set);
    return 1;
}

/* ---- a worker --------------------------------------------------------------------- */

static int stopping(state *s)
{
    return atomic_load(&s->stop) || stop_asked();
}

/* Wait until the ring has room; 0: stop instead. */
static int await_room(state *s)
{
    int go;

    pthread_mutex_lock(&s->lock);
    while (s->taken - s->delivered >= AHEAD && !stopping(s))
        pthread_cond_wait(&s->room, &s->lock);
    go = !stopping(s);
    pthread_mutex_unlock(&s->lock);
    return go;
}

/* The next input and its number; NULL: none. */
static char *take(state *s, size_t *index)
{
    char *path = NULL;

    pthread_mutex_lock(&s->taking);
    if (await_room(s))
        path = s->c->next(s->c->user, &s->stop);
    if (path) {
        pthread_mutex_lock(&s->lock);
        *index = s->taken++;
        pthread_mutex_unlock(&s->lock);
    }
    pthread_mutex_unlock(&s->taking);
    return path;
}

static void *worker(void *argument)
{
    state *s = argument;
    size_t index;
    char *path;

    while ((path = take(s, &index))) {
        result r = {0};

        s->c->work(s->c->user, index, path, &r);
        free(path);
        pthread_mutex_lock(&s->lock);
        s->ring[index % AHEAD] = (slot){1, r};
        pthread_cond_signal(&s->ready);
        pthread_mutex_unlock(&s->lock);
    }
    pthread_mutex_lock(&s->lock);
    s->working--;
    pthread_cond_signal(&s->ready);
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

/* ---- the calling thread ----------------------------------------------------------- */

/* The next result in order; 0: there will be none. */
static int await(state *s, result *r)
{
    slot *next = &s->ring[s->delivered % AHEAD];
    int full;

    pthread_mutex_lock(&s->lock);
    while (!next->full && s->working > 0) {
        struct timespec until;

        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += TICK_MS * 1000000L;
        until.tv_sec += until.tv_nsec / 1000000000L;
        until.tv_nsec %= 1000000000L;
        pthread_cond_timedwait(&s->ready, &s->lock, &until);
        pthread_cond_broadcast(&s->room); // a signal may have come meanwhile
        pthread_mutex_unlock(&s->lock);
        s->c->tick(s->c->user);
        pthread_mutex_lock(&s->lock);
    }
    full = next->full;
    if (full) {
        *r = next->r;
        *next = (slot){0};
    }
    pthread_mutex_unlock(&s->lock);
    return full;
}

static int deliver_all(state *s)
{
    int status = 0, failed = 0;
    result r;

    while (await(s, &r)) {
        status = failed ? 0 : s->c->deliver(s->c->user, s->delivered, &r);
        free(r.text);
        if (status != 0) {
            failed = status;
            atomic_store(&s->stop, 1);
        }
        pthread_mutex_lock(&s->lock);
        s->delivered++;
        pthread_cond_broadcast(&s->room);
        pthread_mutex_unlock(&s->lock);
    }
    return failed;
}

/* Signals are the calling thread's. Returns how many threads there are. */
static int start(state *s, pthread_t *thread)
{
    sigset_t all, before;
    int n = 0;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_mutex_lock(&s->lock);
    while (n < s->c->threads && pthread_create(&thread[n], NULL, worker, s) == 0)
        n++;
    s->working = n;
    pthread_mutex_unlock(&s->lock);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return n;
}

int crew_run(const crew *c)
{
    pthread_t *thread = need(calloc((size_t)c->threads, sizeof *thread));
    state *s = need(calloc(1, sizeof *s));
    int n, status = FATAL;

    s->c = c;
    pthread_mutex_init(&s->taking, NULL);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->ready, NULL);
    pthread_cond_init(&s->room, NULL);
    n = start(s, thread);
    if (n > 0)
        status = deliver_all(s);
    else
        say("no thread could be started");
    for (int i = 0; i < n; i++)
        pthread_join(thread[i], NULL);
    pthread_cond_destroy(&s->room);
    pthread_cond_destroy(&s->ready);
    pthread_mutex_destroy(&s->lock);
    pthread_mutex_destroy(&s->taking);
    free(s);
    free(thread);
    return status;
}
