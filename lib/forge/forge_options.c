/* forge_options.c: what a zero stands for, and what is refused. */
#include "forge/forge.h"

#include <stdio.h>
#include <string.h>

static rij_status check_range(const char *field, int value, int low, int high)
{
    RJ_REQUIRE(value >= low && value <= high, RIJ_E_ARGUMENT,
               "forge: %s is %d, not %d..%d", field, value, low, high);
    return RIJ_OK;
}

/* Every name, comma-separated; in the end cut to what `text` holds. */
static void list_names(char *text, size_t size)
{
    size_t n = 0;

    text[0] = 0;
    for (int i = 0; i < RJ_FAMILIES && n < size; i++)
        n += (size_t)snprintf(text + n, size - n, "%s%s", i ? ", " : "",
                              rj_families[i].name);
}

static bool is(const char *name, const char *text, size_t n)
{
    return strlen(name) == n && memcmp(name, text, n) == 0;
}

/* Mark the families called by the n bytes at `name`: one, or all. */
static rij_status mark(const char *name, size_t n, bool wanted[RJ_FAMILIES])
{
    const bool all = is("all", name, n);
    bool found = all;
    char known[256];

    for (int i = 0; i < RJ_FAMILIES; i++)
        if (all || is(rj_families[i].name, name, n))
            wanted[i] = found = true;
    list_names(known, sizeof known);
    RJ_REQUIRE(found, RIJ_E_ARGUMENT, "forge: no family '%.*s'; known: all, %s",
               (int)RJ_MIN(n, 20), name, known);
    return RIJ_OK;
}

/* Mark the families of a comma-separated list; spaces around a name are fine. */
static rij_status choose(const char *list, bool wanted[RJ_FAMILIES])
{
    while (*list) {
        size_t n;

        list += strspn(list, " ");
        n = strcspn(list, ",");
        while (n && list[n - 1] == ' ')
            n--;
        RJ_TRY(mark(list, n, wanted));
        list += strcspn(list, ",");
        list += *list == ',';
    }
    return RIJ_OK;
}

/* Count families, and the models they need with their steps. */
static void count(rj_forge_plan *p)
{
    for (int i = 0; i < RJ_FAMILIES; i++) {
        const rj_family *f = &rj_families[i];

        p->families += p->wanted[i];
        for (int k = 0; p->wanted[i] && k < RJ_ROUTES * RJ_USES; k++)
            p->needed[f->route[k / RJ_USES][k % RJ_USES].model] = true;
    }
    for (int m = 1; m < RJ_FORGE_MODELS; m++)
        p->steps += p->needed[m] ? rj_forge_model_steps(m, p->o.steps) : 0;
}

rij_status rj_forge_resolve(const rij_forge_options *options, rj_forge_plan *plan)
{
    rj_forge_plan p = {.o = RIJ_FORGE_OPTIONS_INIT};
    rij_forge_options *o = &p.o;

    if (options) {
        RJ_REQUIRE(options->size == sizeof *options, RIJ_E_ARGUMENT,
                   "forge: options.size is %zu, not %zu; start with "
                   "RIJ_FORGE_OPTIONS_INIT",
                   options->size, sizeof *options);
        *o = *options;
    }
    o->device = o->device ? o->device : "cpu";
    o->crop = o->crop ? o->crop : 160;
    o->crops = o->crops ? o->crops : 16;
    o->steps = o->steps ? o->steps : 400;
    RJ_TRY(check_range("threads", o->threads, 0, RJ_MAX_THREADS));
    RJ_TRY(check_range("crop", o->crop, 32, 1024));
    RJ_REQUIRE(o->crop % 16 == 0, RIJ_E_ARGUMENT,
               "forge: crop is %d, not a multiple of 16", o->crop);
    RJ_TRY(check_range("crops", o->crops, 1, 1000));
    RJ_TRY(check_range("steps", o->steps, 2, 1000000));
    RJ_TRY(check_range("isolate", o->isolate, 0, 1));
    if (o->families)
        RJ_TRY(choose(o->families, p.wanted));
    for (int i = 0; i < RJ_FAMILIES && !o->families; i++)
        p.wanted[i] = rj_families[i].usual;
    count(&p);
    RJ_REQUIRE(p.families > 0, RIJ_E_ARGUMENT, "forge: families is empty");
    *plan = p;
    return RIJ_OK;
}
