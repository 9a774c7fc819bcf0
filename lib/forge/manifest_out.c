/* manifest_out.c: the manifest of what was forged, one line a picture. */
#include "forge/forge.h"

#include <stdarg.h>
#include <stdio.h>

typedef struct text {
    char *s;
    int n, room;
} text;

__attribute__((format(printf, 2, 3))) static rij_status append(text *t,
                                                               const char *format, ...)
{
    va_list list;
    int n;

    va_start(list, format);
    n = vsnprintf(NULL, 0, format, list);
    va_end(list);
    RJ_REQUIRE(n >= 0 && n < INT32_MAX - t->n - 1, RIJ_E_MEMORY,
               "forge: the manifest is too long");
    RJ_TRY(rj_grow((void **)&t->s, &t->room, t->n + n + 1, 1));
    va_start(list, format);
    vsnprintf(t->s + t->n, (size_t)n + 1, format, list);
    va_end(list);
    t->n += n;
    return RIJ_OK;
}

/* One line: a real if family is -1, else its child. */
static rij_status append_row(text *t, const rj_parents *p, int i, int family)
{
    const rj_image *image = &p->image[i];
    const char *group = p->name[p->photo[i]];

    if (family < 0)
        return append(t, "real/%05d.png\treal\t\tphotograph\tall\tforge\t%s\t\t%d\t%d\n",
                      i, group, image->w, image->h);
    return append(
        t, "fake/%s/%05d.png\tfake\t%s\t%s\tall\tforge\t%s\treal/%05d.png\t%d\t%d\n",
        rj_families[family].name, i, rj_families[family].name, rj_families[family].column,
        group, i, image->w, image->h);
}

static rij_status append_all(text *t, const rj_parents *p, const rj_forge_plan *plan)
{
    RJ_TRY(append(t, "path\tlabel\tgenerator\tfamily\tsplit\tsource\tgroup\tparent\t"
                     "width\theight\n"));
    for (int family = -1; family < RJ_FAMILIES; family++)
        for (int i = 0; i < p->n && (family < 0 || plan->wanted[family]); i++)
            RJ_TRY(append_row(t, p, i, family));
    return RIJ_OK;
}

rij_status rj_forge_manifest(const char *path, const rj_parents *p,
                             const rj_forge_plan *plan)
{
    text t = {0};
    rij_status status = append_all(&t, p, plan);

    if (status == RIJ_OK)
        status = rj_file_write(path, t.s, (size_t)t.n);
    rj_free(t.s);
    return status;
}
