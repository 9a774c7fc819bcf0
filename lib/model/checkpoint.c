/* checkpoint.c: a training that is under way, as a file: a sealed container like a
 * model's, and the two generations of it that lie on the disk.
 *
 *     PATH      the newest
 *     PATH.1    the one before
 *     PATH.new  one that is being written, or that a killed process left
 *     PATH.lock locked while a training may write to any of these
 *
 * A generation that is damaged, or missing since the process died between two renames, is
 * no loss: the other one is whole. What is in it is the trainer's (judge/resume.c). */
#include "model/model.h"
#include <stdio.h>
#include <string.h>

enum { PATH_BYTES = 4096 };
static const char format[] = "realjudge checkpoint", version[] = "1";

static rij_status name_of(const char *path, const char *suffix, char out[PATH_BYTES])
{
    const int n = snprintf(out, PATH_BYTES, "%s%s", path, suffix);

    RJ_REQUIRE(n >= 0 && n < PATH_BYTES, RIJ_E_FILE, "%.100s..: the name is too long",
               path);
    return RIJ_OK;
}

/* ---- generations --------------------------------------------------------------------
 */

rij_status rj_checkpoint_write(const char *path, bool replace, rj_st_file *f)
{
    char older[PATH_BYTES];
    unsigned char *bytes = NULL;
    size_t n = 0;
    rij_status status;

    RJ_TRY(name_of(path, ".1", older));
    RJ_TRY(rj_st_set(f, "format", format));
    RJ_TRY(rj_st_set(f, "format_version", version));
    RJ_TRY(rj_st_set(f, "library", rij_version()));
    RJ_TRY(rj_st_bytes(path, f, &bytes, &n));
    status = rj_file_turn(path, replace ? NULL : older, bytes, n);
    rj_free(bytes);
    return status;
}

rij_status rj_checkpoint_check(const char *path, const rj_st_file *f)
{
    const char *what = rj_st_get(f, "format"), *number = rj_st_get(f, "format_version");

    RJ_REQUIRE(f->sealed, RIJ_E_MODEL, "%s: it has no hash", path);
    RJ_REQUIRE(what && strcmp(what, format) == 0, RIJ_E_MODEL,
               "%s: it is no checkpoint, but '%.40s'", path, what ? what : "");
    RJ_REQUIRE(number && strcmp(number, version) == 0, RIJ_E_MODEL,
               "%s: format version '%.40s'; %s reads %s", path, number ? number : "",
               rij_version(), version);
    return RIJ_OK;
}

static rij_status read_one(const char *path, rj_st_file *f)
{
    rj_st_file read = {0};
    rij_status status;

    RJ_TRY(rj_st_read(path, &read));
    status = rj_checkpoint_check(path, &read);
    if (status == RIJ_OK)
        *f = read;
    else
        rj_st_free(&read);
    return status;
}

rij_status rj_checkpoint_read(const char *path, rj_st_file *f,
                              enum rj_generation *generation, char why[RJ_WHY])
{
    const bool there = rj_file_is_there(path);
    char older[PATH_BYTES];
    rij_status status;

    RJ_TRY(name_of(path, ".1", older));
    *generation = RJ_GENERATION_NEWEST;
    if (there) {
        status = read_one(path, f);
        if (status != RIJ_E_MODEL)
            return status;
        snprintf(why, RJ_WHY, "%s", rij_last_error());
    } else {
        snprintf(why, RJ_WHY, "%s: no checkpoint is there", path);
    }
    *generation = RJ_GENERATION_OLDER;
    if (rj_file_is_there(older)) {
        status = read_one(older, f);
        return status == RIJ_E_MODEL
                   ? rj_fail(RIJ_E_MODEL, "no generation is whole: %.110s; %.110s", why,
                             rij_last_error())
                   : status;
    }
    RJ_REQUIRE(!there, RIJ_E_MODEL, "%s; and there is no older one", why);
    *generation = RJ_GENERATION_NONE;
    return RIJ_OK;
}

rij_status rj_checkpoint_vacant(const char *path)
{
    static const char *const suffixes[] = {"", ".1"};
    char name[PATH_BYTES];

    for (int i = 0; i < RJ_COUNT(suffixes); i++) {
        RJ_TRY(name_of(path, suffixes[i], name));
        RJ_REQUIRE(!rj_file_is_there(name), RIJ_E_FILE,
                   "%s: a checkpoint is there already; resume it, or remove it", name);
    }
    return RIJ_OK;
}

rij_status rj_checkpoint_lock(const char *path, rj_lock **lock)
{
    char name[PATH_BYTES];

    RJ_TRY(name_of(path, ".lock", name));
    return rj_lock_new(name, "another training of this checkpoint", lock);
}

/* The newest goes last, so that what a killed process leaves can still be resumed. */
static rij_status remove_all(const char *path)
{
    static const char *const suffixes[] = {".new", ".1", ""};
    char name[PATH_BYTES];

    for (int i = 0; i < RJ_COUNT(suffixes); i++) {
        RJ_TRY(name_of(path, suffixes[i], name));
        RJ_TRY(rj_file_remove(name));
    }
    return RIJ_OK;
}

/* Without a lock's file there is no training to keep off. */
RIJ_API rij_status rij_checkpoint_remove(const char *path)
{
    char name[PATH_BYTES];
    rj_lock *lock = NULL;
    rij_status status;

    RJ_REQUIRE(path, RIJ_E_ARGUMENT, "rij_checkpoint_remove: path is NULL");
    RJ_TRY(name_of(path, ".lock", name));
    if (rj_file_is_there(name))
        RJ_TRY(rj_checkpoint_lock(path, &lock));
    status = remove_all(path);
    rj_lock_free(lock);
    return status;
}

/* ---- parameters ---------------------------------------------------------------------
 */

static rj_real *part_of(const rj_param *p, enum rj_part part)
{
    return part == RJ_PART_VALUE ? p->t.x : part == RJ_PART_FIRST ? p->m : p->v;
}

static rij_status tensor_name(const char *prefix, const rj_param *p,
                              char name[RJ_NAME_MAX])
{
    const int n = snprintf(name, RJ_NAME_MAX, "%s%s", prefix, p->name);

    RJ_REQUIRE(n >= 0 && n < RJ_NAME_MAX, RIJ_E_SHAPE,
               "checkpoint: the name %s%s is too long", prefix, p->name);
    return RIJ_OK;
}

rij_status rj_params_to_file(const rj_params *s, enum rj_part part, const char *prefix,
                             rj_st_file *f)
{
    char name[RJ_NAME_MAX];

    for (int i = 0; i < s->n; i++) {
        const rj_param *p = &s->p[i];
        const rj_real *x = part_of(p, part);

        if (!x)
            continue;
        RJ_TRY(tensor_name(prefix, p, name));
        RJ_TRY(rj_st_take(f, name, s->dev, p->t.shape, x));
    }
    return RIJ_OK;
}

rij_status rj_params_from_file(rj_params *s, enum rj_part part, const char *prefix,
                               const rj_st_file *f, int *known)
{
    char name[RJ_NAME_MAX];

    for (int i = 0; i < s->n; i++) {
        const rj_param *p = &s->p[i];
        rj_real *x = part_of(p, part);

        if (!x)
            continue;
        RJ_TRY(tensor_name(prefix, p, name));
        RJ_TRY(rj_st_give("checkpoint", f, name, s->dev, &p->t.shape, x));
        *known += 1;
    }
    return RIJ_OK;
}
