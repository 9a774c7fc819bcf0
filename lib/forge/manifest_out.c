/* manifest_out.c: the manifest of what was forged, one line a picture. */
#include "forge/forge.h"

/* One line: a real if family is -1, else its child. */
static void append_row(rj_text *t, const rj_parents *p, int i, int family)
{
    const rj_image *image = &p->image[i];
    const char *group = p->name[p->photo[i]];

    if (family < 0)
        rj_text_say(t, "real/%05d.png\treal\t\tphotograph\tall\tforge\t", i);
    else
        rj_text_say(t, "fake/%s/%05d.png\tfake\t%s\t%s\tall\tforge\t",
                    rj_families[family].name, i, rj_families[family].name,
                    rj_families[family].column);
    rj_text_put(t, group);
    rj_text_put(t, "\t");
    if (family >= 0)
        rj_text_say(t, "real/%05d.png", i);
    rj_text_say(t, "\t%d\t%d\n", image->w, image->h);
}

rij_status rj_forge_manifest(const char *path, const rj_parents *p,
                             const rj_forge_plan *plan)
{
    rj_text t = {0};
    rij_status status;

    rj_text_put(&t, "path\tlabel\tgenerator\tfamily\tsplit\tsource\tgroup\tparent\t"
                    "width\theight\n");
    for (int family = -1; family < RJ_FAMILIES; family++)
        for (int i = 0; i < p->n && (family < 0 || plan->wanted[family]); i++)
            append_row(&t, p, i, family);
    status = rj_text_done(&t);
    if (status == RIJ_OK)
        status = rj_file_write(path, t.bytes, (size_t)t.n);
    rj_text_free(&t);
    return status;
}
