/* forge.c: rij_forge(): photographs in, parents and their children out.
 *
 *     photographs -> parents (native windows) -> real/N.png
 *                        |-> trained models   -> fake/FAMILY/N.png
 *                        `-> fixed operators  -> fake/FAMILY/N.png
 *
 * families.c says which models a family's children come from. A family may have two
 * routes; a hash of (seed, family, parent) says which of them makes the child. A decoder
 * family is two auto-encoders that share its training steps, so that its traces are those
 * of its decoder at two strengths and not those of one set of weights. A model is trained
 * when the first family that needs it is made, and kept for the others.
 *
 * Every random choice has a key of its own made from the seed and what it is for, so that
 * neither the number of threads nor the other families change a picture. */
#include "forge/forge.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* GROUP pictures of SIDE pixels, borders included, go through a net together. */
enum { GROUP = 8, SIDE = 176, CHUNK = 64, EVERY = 10 };

/* Progress of the phase "forge", whose steps are training steps and one for every family
 * written, the parents being one. */
typedef struct teller {
    rij_progress_fn progress;
    void *user;
    double start_s, loss;
    int64_t step, steps, images;
    int losses;
} teller;

/* One call of rij_forge(). */
typedef struct run {
    const char *out;
    rj_forge_plan plan;
    rj_pool *pool;
    rj_device *dev;
    rj_tape tape;
    rj_parents parents;
    rj_cage *cage;
    teller tell;
    void *model[RJ_FORGE_MODELS]; /* trained, or NULL */
    int family;                   /* being made, or -1 for the parents */
    int first;                    /* parent of piece 0 of a parallel job */
} run;

static uint64_t key(uint64_t seed, const char *what, int number)
{
    char text[64];

    snprintf(text, sizeof text, "%s %d", what, number);
    return rj_hash(text, strlen(text), seed);
}

/* ---- messages --------------------------------------------------------------------- */

static rij_status send(const teller *t, const rij_progress *p)
{
    RJ_REQUIRE(!t->progress || t->progress(p, t->user) == 0, RIJ_E_CANCELLED,
               "forge: stopped by the progress callback");
    return RIJ_OK;
}

static rij_status tell_read(void *user, int done, int of, const char *note)
{
    const teller *t = user;
    const double spent_s = rj_now_s() - t->start_s;
    const rij_progress p = {.phase = "read",
                            .note = note,
                            .step = done,
                            .steps = of,
                            .images_s = done / RJ_MAX(spent_s, 1e-9),
                            .eta_s = spent_s / done * (of - done)};

    return send(t, &p);
}

static rij_status tell_forge(teller *t, double rate)
{
    const double spent_s = rj_now_s() - t->start_s;
    const rij_progress p = {.phase = "forge",
                            .step = t->step,
                            .steps = t->steps,
                            .images_s = (double)t->images / RJ_MAX(spent_s, 1e-9),
                            .eta_s = spent_s / (double)RJ_MAX(t->step, 1) *
                                     (double)(t->steps - t->step),
                            .rate = rate,
                            .loss = t->losses ? t->loss / t->losses : 0};

    t->loss = 0;
    t->losses = 0;
    return send(t, &p);
}

static rij_status tell_step(void *user, double rate, double loss, int images)
{
    teller *t = user;

    t->step++;
    t->images += images;
    t->loss += loss;
    t->losses++;
    return t->step % EVERY ? RIJ_OK : tell_forge(t, rate);
}

/* ---- files ------------------------------------------------------------------------ */

/* out/real or out/fake/FAMILY, with "/NNNNN.png" behind it unless i is -1. */
static rij_status place(const run *r, int i, char path[PATH_MAX])
{
    const char *family = r->family < 0 ? "" : rj_families[r->family].name;
    int n = snprintf(path, PATH_MAX, "%s/%s%s", r->out, r->family < 0 ? "real" : "fake/",
                     family);

    if (n >= 0 && n < PATH_MAX && i >= 0)
        n += snprintf(path + n, (size_t)(PATH_MAX - n), "/%05d.png", i);
    RJ_REQUIRE(n >= 0 && n < PATH_MAX, RIJ_E_FILE, "%.100s..: the path is too long",
               r->out);
    return RIJ_OK;
}

static rij_status write_picture(const run *r, int i, const rj_image *image)
{
    char path[PATH_MAX];

    RJ_TRY(place(r, i, path));
    return rj_image_write_png(path, image);
}

/* Make the folders and take away an older manifest, which would soon be wrong. A folder
 * below the photographs is refused: its pictures would be read as photographs. */
static rij_status prepare_folders(run *r, const char *photos)
{
    char path[PATH_MAX];
    bool within;

    RJ_TRY(rj_path_within(r->out, photos, &within));
    RJ_REQUIRE(!within, RIJ_E_ARGUMENT, "forge: %s lies in the folder of photographs %s",
               r->out, photos);
    RJ_TRY(rj_folder_make(r->out));
    RJ_TRY(rj_path_join(r->out, "manifest.tsv", path, sizeof path));
    unlink(path);
    for (r->family = -1; r->family < RJ_FAMILIES; r->family++)
        if (r->family < 0 || r->plan.wanted[r->family]) {
            RJ_TRY(place(r, -1, path));
            RJ_TRY(rj_folder_make(path));
        }
    return RIJ_OK;
}

/* ---- pictures --------------------------------------------------------------------- */

static rij_status write_parent(void *job, int i, int worker)
{
    const run *r = job;
    const int parent = r->first + i;

    (void)worker;
    return write_picture(r, parent, &r->parents.image[parent]);
}

static rij_status make_fixed(void *job, int i, int worker)
{
    const run *r = job;
    const int parent = r->first + i;
    const uint64_t seed = key(r->plan.o.seed, rj_families[r->family].name, parent);
    rj_random random = rj_random_start(seed, RJ_STREAM_FORGE, 0);
    rij_status status;
    rj_image child;

    (void)worker;
    RJ_TRY(rj_operate(&r->parents.image[parent], rj_families[r->family].fixed, &random,
                      &child));
    status = write_picture(r, parent, &child);
    rj_image_free(&child);
    return status;
}

/* A piece for every parent, in chunks between which the caller may cancel. */
static rij_status for_parents(run *r, rj_piece piece)
{
    for (r->first = 0; r->first < r->parents.n; r->first += CHUNK) {
        RJ_TRY(
            rj_parallel_for(r->pool, RJ_MIN(CHUNK, r->parents.n - r->first), piece, r));
        RJ_TRY(tell_forge(&r->tell, 0));
    }
    return RIJ_OK;
}

/* Up to GROUP parents that go one way together. */
typedef struct group {
    const run *r;
    int n, index[GROUP];
    uint64_t seed[GROUP];
    const rj_image *parent[GROUP];
    rj_image child[GROUP];
} group;

static rij_status write_child(void *job, int i, int worker)
{
    const group *g = job;

    (void)worker;
    return write_picture(g->r, g->index[i], &g->child[i]);
}

/* How many parents go together, by what the nets they go through take. */
static int group_size(int crop)
{
    const double side = crop + 2 * RJ_AUTOENCODER_BORDER;

    return RJ_MAX(1, (int)RJ_MIN(GROUP, GROUP * (double)SIDE * SIDE / (side * side)));
}

static void drop_children(group *g)
{
    for (int i = 0; i < g->n; i++)
        rj_image_free(&g->child[i]);
}

/* g->child from g->parent by the k-th use of a route, whose inputs are the children of
 * the use before. */
static rij_status use_model(run *r, group *g, const rj_use *use, int k)
{
    const rj_kind *kind = rj_forge_models[use->model].kind;
    const rj_image *from[GROUP];
    rj_image made[GROUP];
    uint64_t seed[GROUP];
    rij_status status;

    for (int i = 0; i < g->n; i++) {
        from[i] = k ? &g->child[i] : g->parent[i];
        seed[i] = key(g->seed[i], "use", k);
    }
    status = kind->make(r->model[use->model], use->how, &r->tape, from, seed, g->n, made);
    drop_children(g);
    if (status == RIJ_OK)
        memcpy(g->child, made, (size_t)g->n * sizeof *made);
    return status;
}

static rij_status make_group(run *r, group *g, int route)
{
    const rj_family *f = &rj_families[r->family];
    rij_status status = RIJ_OK;

    if (!g->n)
        return RIJ_OK;
    memset(g->child, 0, sizeof g->child);
    for (int k = 0; k < RJ_USES && f->route[route][k].model && status == RIJ_OK; k++)
        status = use_model(r, g, &f->route[route][k], k);
    if (status == RIJ_OK)
        status = rj_parallel_for(r->pool, g->n, write_child, g);
    drop_children(g);
    g->n = 0;
    return status == RIJ_OK ? tell_forge(&r->tell, 0) : status;
}

/* The children of all parents that fall to one of the family's routes. */
static rij_status make_children(run *r, int route)
{
    const int most = group_size(r->plan.o.crop);
    const rj_family *f = &rj_families[r->family];
    const uint64_t routes = (uint64_t)rj_family_routes(f);
    group g = {.r = r};

    for (int i = 0; i < r->parents.n; i++) {
        const uint64_t seed = key(r->plan.o.seed, f->name, i);

        if ((int)(seed % routes) != route)
            continue;
        g.index[g.n] = i;
        g.seed[g.n] = seed;
        g.parent[g.n++] = &r->parents.image[i];
        if (g.n == most)
            RJ_TRY(make_group(r, &g, route));
    }
    return make_group(r, &g, route);
}

static rij_status train_model(run *r, int model)
{
    const rj_model_row *row = &rj_forge_models[model];
    const rj_lesson lesson = {.tape = &r->tape,
                              .picture = r->parents.image,
                              .n = r->parents.n,
                              .steps = rj_forge_model_steps(model, r->plan.o.steps),
                              .seed = key(r->plan.o.seed, row->name, row->number),
                              .told = tell_step,
                              .user = &r->tell};

    if (r->model[model])
        return RIJ_OK;
    RJ_TRY(row->kind->open(r->dev, row->which, lesson.seed, &r->model[model]));
    return row->kind->train(r->model[model], &lesson);
}

static rij_status forge_trained(run *r)
{
    const rj_family *f = &rj_families[r->family];

    for (int route = 0; route < rj_family_routes(f); route++) {
        for (int k = 0; k < RJ_USES && f->route[route][k].model; k++)
            RJ_TRY(train_model(r, f->route[route][k].model));
        RJ_TRY(make_children(r, route));
    }
    return RIJ_OK;
}

static rij_status forge_family(run *r)
{
    if (r->family < 0)
        RJ_TRY(for_parents(r, write_parent));
    else if (rj_family_routes(&rj_families[r->family]))
        RJ_TRY(forge_trained(r));
    else
        RJ_TRY(for_parents(r, make_fixed));
    r->tell.step++;
    return tell_forge(&r->tell, 0);
}

static rij_status forge(run *r, const char *photos)
{
    const rij_forge_options *o = &r->plan.o;
    teller *t = &r->tell;
    char path[PATH_MAX];

    *t = (teller){.progress = o->progress, .user = o->user, .start_s = rj_now_s()};
    if (o->isolate) // before there are threads
        RJ_TRY(rj_isolate_new(&r->cage));
    RJ_TRY(rj_pool_new(o->threads, &r->pool));
    RJ_TRY(rj_device_open(o->device, r->pool, &r->dev));
    r->tape.dev = r->dev;
    RJ_TRY(prepare_folders(r, photos));
    RJ_TRY(rj_parents_cut(photos, r->cage, o->crop, o->crops, o->seed, tell_read, t,
                          &r->parents));
    t->start_s = rj_now_s();
    t->steps = r->plan.steps + r->plan.families + 1;
    for (r->family = -1; r->family < RJ_FAMILIES; r->family++)
        if (r->family < 0 || r->plan.wanted[r->family])
            RJ_TRY(forge_family(r));
    RJ_TRY(rj_path_join(r->out, "manifest.tsv", path, sizeof path));
    return rj_forge_manifest(path, &r->parents, &r->plan);
}

RIJ_API rij_status rij_forge(const char *photos, const char *out,
                             const rij_forge_options *options)
{
    run r = {.out = out};
    rij_status status;

    RJ_REQUIRE(photos && out, RIJ_E_ARGUMENT, "forge: %s is NULL",
               photos ? "out" : "photos");
    RJ_TRY(rj_forge_resolve(options, &r.plan));
    status = forge(&r, photos);
    rj_parents_free(&r.parents);
    for (int m = 1; m < RJ_FORGE_MODELS; m++)
        rj_forge_models[m].kind->close(r.model[m]);
    if (r.dev) {
        rj_tape_free(&r.tape);
        rj_device_close(r.dev);
    }
    rj_pool_free(r.pool);
    rj_cage_free(r.cage);
    return status;
}
