/* align.c: `realjudge align`: a data set again, as files whose JPEG history does not tell
 * the label. */
#include "tool.h"

typedef struct align_job {
    common c;
    rij_align_options o;
    const char *data, *out;
} align_job;

static int align(void *job, int n, char **operand)
{
    align_job *j = job;
    teller t = teller_make(j->c.quiet);
    rij_alignment done;
    rij_status status;

    (void)n, (void)operand;
    if (!j->data || !j->out) {
        say("align: --%s is missing", j->data ? "out" : "data");
        return USAGE;
    }
    j->o.progress = tell;
    j->o.user = &t;
    status = rij_align(j->data, j->out, &j->o, &done);
    bar_end(&t.b);
    if (status != RIJ_OK)
        return complain(status);
    say("%d images written, %d of them recompressed: JPEG tables told the label at %.2f, "
        "now the last JPEG does at %.2f",
        done.images, done.recompressed, done.before, done.after);
    return done.unusable ? PARTIAL : DONE;
}

#define AT(field) offsetof(align_job, field)
static const row rows[] = {
    {"data", PATH, AT(data), "PATH", 0, 0,
     "images with labels: a table (TSV), or a folder with real/ and fake/GENERATOR/"},
    {"out", PATH, AT(out), "DIR", 0, 0,
     "new or empty folder for real/, fake/ and manifest.tsv"},
    {"split", WORD, AT(o.split), "NAME", 0, 0, "split of the table (all)"},
    {"seed", SEED, AT(o.seed), "N", 0, 0, "of what is recompressed"},
    {"threads", WHOLE, AT(o.threads), "N", 0, 256, "0: one per processor"},
    ISOLATE_ROW(o.isolate),
};

static const align_job initial = {.o = RIJ_ALIGN_OPTIONS_INIT};

const command command_align = {
    "align",
    "write data anew, so that JPEG history does not tell the label",
    NULL,
    "Writes every picture as PNG, some of both classes recompressed, so that neither "
    "format, metadata nor the last JPEG tells real from generated: what `train` does "
    "when it reads its images, as files for other programs.",
    "0: done. 1: done, but for files that could not be read. 2: the command line is not "
    "allowed. 3: it could not be done.",
    "  realjudge align --data data.tsv --split train --out aligned/\n"
    "  realjudge audit --data aligned/manifest.tsv\n",
    rows,
    COUNT(rows),
    &initial,
    sizeof initial,
    NULL,
    align};
