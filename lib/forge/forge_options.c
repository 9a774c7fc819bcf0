/* forge_options.c: what a zero stands for, and what is refused. */
#include "forge/forge.h"

#include <string.h>

const char *rj_family_name(int family)
{
    return family < RJ_DECODERS ? rj_decoder_names[family]
                                : rj_operator_names[family - RJ_DECODERS];
}

static rij_status check_range(const char *field, int value, int low, int high)
{
    RJ_REQUIRE(value >= low && value <= high, RIJ_E_ARGUMENT,
               "forge: %s is %d, not %d..%d", field, value, low, high);
    return RIJ_OK;
}

/* The family called by the n bytes at `name`, or -1. */
static int find(const char *name, size_t n)
{
    for (int i = 0; i < RJ_FAMILIES; i++)
        if (strlen(rj_family_name(i)) == n && memcmp(rj_family_name(i), name, n) == 0)
            return i;
    return -1;
}

/* Mark the families of a comma-separated list; spaces around a name are fine. */
static rij_status choose(const char *list, bool wanted[RJ_FAMILIES])
{
    while (*list) {
        size_t n;
        int family;

        list += strspn(list, " ");
        n = strcspn(list, ",");
        while (n && list[n - 1] == ' ')
            n--;
        family = find(list, n);
        RJ_REQUIRE(family >= 0, RIJ_E_ARGUMENT,
                   "forge: no family '%.*s'; known: deconv, nearest, bilinear, shuffle, "
                   "fixed-nearest, fixed-bilinear, fixed-bicubic, fixed-zero, "
                   "fixed-median",
                   (int)RJ_MIN(n, 40), list);
        wanted[family] = true;
        list += strcspn(list, ",");
        list += *list == ',';
    }
    return RIJ_OK;
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
    if (o->families)
        RJ_TRY(choose(o->families, p.wanted));
    for (int i = 0; i < RJ_FAMILIES; i++) {
        p.wanted[i] = p.wanted[i] || !o->families;
        p.families += p.wanted[i];
        p.trained += p.wanted[i] && i < RJ_DECODERS;
    }
    RJ_REQUIRE(p.families > 0, RIJ_E_ARGUMENT, "forge: families is empty");
    *plan = p;
    return RIJ_OK;
}
