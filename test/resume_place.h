/* resume_place.h: a small training, the file that it gives when nobody interrupts it, and
 * ways to interrupt it. */
#ifndef RJ_RESUME_PLACE_H
#define RJ_RESUME_PLACE_H

#include "api_place.h"
#include "judge/judge.h"
#include <sys/wait.h>

typedef struct world {
    place p;
    rij_train_options o; /* with a checkpoint, to be resumed */
    char checkpoint[200], older[200];
    unsigned char *wanted;
    size_t n; /* bytes of it */
} world;

/* Both stages and a trace, on the place's pictures. */
static inline rij_train_options both_stages(const char *encoder, int steps1, int steps2)
{
    rij_train_options o = brief();

    o.encoder = encoder;
    o.steps1 = steps1;
    o.steps2 = steps2;
    o.traces = 2;
    return o;
}

/* Whether the test asks for the long versions: make test-trust. */
static inline bool trust(void)
{
    const char *wish = getenv("RJ_TRUST");

    return wish && *wish && strcmp(wish, "0") != 0;
}

static inline rij_status train_and_save(const char *data, const rij_train_options *o,
                                        const char *path)
{
    rij_model *m = NULL;
    rij_status status = rij_train(data, o, &m);

    if (status == RIJ_OK)
        status = rij_model_save(m, path);
    rij_model_free(m);
    return status;
}

static inline world world_new(const rij_train_options *o)
{
    world w = {.p = place_new(8, 4), .o = *o};

    OK(train_and_save(w.p.data, &w.o, w.p.model));
    OK(rj_file_read(w.p.model, 64 << 20, &w.wanted, &w.n));
    ck_assert_int_eq(remove(w.p.model), 0);
    snprintf(w.checkpoint, sizeof w.checkpoint, "%s/state", w.p.root);
    snprintf(w.older, sizeof w.older, "%s/state.1", w.p.root);
    return w;
}

/* Options that go with a world which may have moved since it was made. */
static inline rij_train_options resumed(const world *w, int threads)
{
    rij_train_options o = w->o;

    o.threads = threads;
    o.checkpoint = w->checkpoint;
    o.checkpoint_seconds = 0.001; // a step takes longer, so behind each one
    o.resume = 1;
    return o;
}

static inline void same_as_wanted(const world *w)
{
    unsigned char *bytes;
    size_t n;

    OK(rj_file_read(w->p.model, 64 << 20, &bytes, &n));
    if (sizeof(rj_real) == sizeof(float)) // a checkpoint rounds doubles
        ck_assert_msg(n == w->n && memcmp(bytes, w->wanted, n) == 0, "another file");
    rj_free(bytes);
    ck_assert_int_eq(remove(w->p.model), 0);
}

/* Resume to the end, in this process. */
static inline void finish(const world *w, int threads)
{
    const rij_train_options o = resumed(w, threads);

    OK(train_and_save(w->p.data, &o, w->p.model));
    same_as_wanted(w);
}

static inline void world_free(world *w)
{
    rj_free(w->wanted);
    place_free(&w->p);
}

/* ---- a process of its own -----------------------------------------------------------
 */

/* It resumes to the end, unless something happens to it; `before` is called in it first.
 */
static inline pid_t begin(const world *w, const rij_train_options *o,
                          void (*before)(const void *), const void *user)
{
    const pid_t child = fork();

    if (child == 0) {
        rij_status status;

        if (before)
            before(user);
        status = train_and_save(w->p.data, o, w->p.model);
        if (status != RIJ_OK)
            fprintf(stderr, "child: %s\n", rij_last_error());
        _exit((int)status);
    }
    ck_assert_int_gt(child, 0);
    return child;
}

/* What became of it: a status, or minus a signal. */
static inline int end_of(pid_t child)
{
    int how = 0;

    ck_assert_int_eq(waitpid(child, &how, 0), child);
    return WIFSIGNALED(how) ? -WTERMSIG(how) : WEXITSTATUS(how);
}

#endif
