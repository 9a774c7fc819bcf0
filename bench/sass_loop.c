/* sass_loop.c: the hottest loop of a kernel. A loop is a backward branch that its target
 * can reach; the compiler also puts rarely used code behind the end of a kernel and
 * branches back from there, which is none. Each instruction belongs to the smallest loop
 * around it. How often a loop goes round is not known; one within another is taken to go
 * round four times as often. The hottest is the one whose own instructions, so weighted,
 * have most arithmetic, or, without any, the longest. */
#include "cubinfo.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct walk {
    const uint8_t *code;
    long n;
    int arch;
    uint8_t *reached; /* of the loop looked at */
    long *owner;      /* first instruction of the smallest loop around, or -1 */
    long *owner_size; /* its instructions */
    int *depth;       /* how many loops are around */
    long steps;       /* walked so far */
} walk;

/* No code of a compiler takes so many; code made to waste time is left without a loop. */
static const long most_steps = 2000000000;

static bool ends(const sass_inst *in)
{
    static const char *const last[] = {"BRA", "EXIT", "RET", "BRX"};

    for (size_t i = 0; sass_always(in) && i < sizeof last / sizeof *last; i++)
        if (strcmp(sass_name(in), last[i]) == 0)
            return true;
    return false;
}

/* Mark what `first` reaches without leaving first..last. Returns how many there are. */
static long reach(walk *w, long first, long last)
{
    bool again = true;
    long count = 0;

    memset(w->reached + first, 0, (size_t)(last - first + 1));
    w->reached[first] = 1;
    while (again && w->steps < most_steps) {
        again = false;
        w->steps += last - first + 1;
        for (long i = first; i <= last; i++) {
            const sass_inst in = sass_get(w->code, (size_t)i);
            const long to = w->reached[i] ? sass_target(&in, i, w->arch) : -1;

            if (!w->reached[i])
                continue;
            if (to >= first && to <= last && !w->reached[to]) {
                w->reached[to] = 1;
                again |= to < i;
            }
            if (i < last && !ends(&in))
                w->reached[i + 1] = 1;
        }
    }
    for (long i = first; i <= last; i++)
        count += w->reached[i];
    return count;
}

/* Give what the loop first..last reaches to it, unless a smaller loop has it. False: it
 * is no loop. */
static bool claim(walk *w, long first, long last)
{
    const long size = w->steps < most_steps ? reach(w, first, last) : 0;

    if (!size)
        return false;
    for (long i = first; w->reached[last] && i <= last; i++) {
        w->depth[i] += w->reached[i];
        if (w->reached[i] && (w->owner[i] < 0 || size < w->owner_size[i])) {
            w->owner[i] = first;
            w->owner_size[i] = size;
        }
    }
    return w->reached[last];
}

/* Each loop once: branches to the same target are one, as far as the last of them. done:
 * n bytes of scratch. */
static void find_loops(walk *w, uint8_t *done)
{
    for (long i = 0; i < w->n; i++) {
        w->owner[i] = -1;
        w->depth[i] = done[i] = 0;
    }
    for (long i = w->n - 1; i >= 0; i--) {
        const sass_inst in = sass_get(w->code, (size_t)i);
        const long to = sass_target(&in, i, w->arch);

        if (strcmp(sass_name(&in), "BRA") == 0 && to >= 0 && to < i && !done[to])
            done[to] = claim(w, to, i);
    }
}

/* The hottest by what owner says; -1: there is no loop. heat: n numbers of scratch. */
static long hottest(const walk *w, double *heat)
{
    long best = -1;

    for (long i = 0; i < w->n; i++)
        heat[i] = 0;
    for (long i = 0; i < w->n; i++) {
        const sass_inst in = sass_get(w->code, (size_t)i);

        if (w->owner[i] >= 0)
            heat[w->owner[i]] += sass_math(&in) + 1e-6; // the length breaks ties
    }
    for (long i = 0; i < w->n; i++) {
        const int within = w->depth[i] - 1;

        heat[i] *= within > 0 ? pow(4, within < 8 ? within : 8) : 1;
    }
    for (long i = 0; i < w->n; i++)
        if (heat[i] > 0 && (best < 0 || heat[i] > heat[best]))
            best = i;
    return best;
}

void sass_hottest_loop(const uint8_t *code, size_t n, kernel *k)
{
    double *heat = cubinfo_grow(NULL, n, sizeof *heat);
    uint8_t *done = cubinfo_grow(NULL, n, 1);
    walk w = {code,
              (long)n,
              k->arch,
              cubinfo_grow(NULL, n, 1),
              cubinfo_grow(NULL, n, sizeof *w.owner),
              cubinfo_grow(NULL, n, sizeof *w.owner_size),
              cubinfo_grow(NULL, n, sizeof *w.depth),
              0};
    long best;

    find_loops(&w, done);
    best = hottest(&w, heat);
    k->loop_first = k->loop_last = best;
    for (long i = 0; best >= 0 && i < w.n; i++)
        if (w.owner[i] == best) {
            const sass_inst in = sass_get(code, (size_t)i);

            sass_add(&k->loop, &in);
            k->loop_last = i;
        }
    free(heat);
    free(done);
    free(w.reached);
    free(w.owner);
    free(w.owner_size);
    free(w.depth);
}
