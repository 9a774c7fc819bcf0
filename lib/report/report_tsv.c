/* report_tsv.c: a line per image and column, in the data's order. Bytes of names are as
 * they are, but for tabs, line ends and backslashes, which become \t, \n, \r, \\. */
#include "report/report.h"
#include <string.h>

static void cell(rj_text *t, const char *text)
{
    static const char special[] = "\t\n\r\\", letter[] = "tnr\\";

    for (const char *c = text; *c; c++) {
        const char *found = strchr(special, *c);

        if (found)
            rj_text_say(t, "\\%c", letter[found - special]);
        else
            rj_text_bytes(t, c, 1);
    }
    rj_text_put(t, text[0] ? "\t" : "-\t");
}

static void answer(rj_text *t, bool there, rij_answer a)
{
    rj_text_put(t, "\t");
    rj_text_put(t, there ? rj_answer_names[a] : "-");
}

static void line(rj_text *t, const rij_evaluation_image *image)
{
    cell(t, image->path);
    rj_text_put(t, image->generated ? "fake\t" : "real\t");
    cell(t, image->generator);
    cell(t, image->source);
    cell(t, image->column);
    rj_text_fixed(t, image->margin, 6);
    rj_text_put(t, "\t");
    rj_text_fixed(t, image->score, 6);
    answer(t, image->answered, image->answer);
    if (image->stripped) {
        answer(t, true, image->alone);
        for (int w = 0; w < RIJ_SHIPPINGS; w++)
            answer(t, true, image->shipped[w]);
    }
    rj_text_put(t, "\n");
}

rij_status rj_report_tsv(const rj_report *r, rj_text *t)
{
    rj_text_put(t, "path\tlabel\tgenerator\tsource\tcolumn\tmargin\tscore\tanswer");
    if (r->e->stripped)
        rj_text_put(t, "\talone");
    for (int w = 0; r->e->stripped && w < RIJ_SHIPPINGS; w++)
        rj_text_say(t, "\t%s", rj_shipping_names[w]);
    rj_text_put(t, "\n");
    for (int i = 0; i < rij_evaluation_images(r->e); i++) {
        rij_evaluation_image image;

        RJ_TRY(rij_evaluation_image_at(r->e, i, &image));
        line(t, &image);
    }
    return rj_text_done(t);
}
