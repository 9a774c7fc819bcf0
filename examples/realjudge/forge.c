/* forge.c: `realjudge forge`: generated images from photographs of one's own. */
#include "tool.h"

typedef struct forge_job {
    common c;
    rij_forge_options o;
    const char *photos, *out;
} forge_job;

static int forge(void *job, int n, char **operand)
{
    forge_job *j = job;
    const double start_s = seconds_now();
    teller t = teller_make(j->c.quiet);
    rij_status status;

    (void)n, (void)operand;
    if (!j->photos || !j->out) {
        say("forge: --%s is missing", j->photos ? "out" : "photos");
        return USAGE;
    }
    j->o.progress = tell;
    j->o.user = &t;
    status = rij_forge(j->photos, j->out, &j->o);
    bar_end(&t.b);
    if (status != RIJ_OK)
        return complain(status);
    if (!j->c.quiet)
        say("wrote %s/manifest.tsv after %.0f s", j->out, seconds_now() - start_s);
    return DONE;
}

#define AT(field) offsetof(forge_job, field)
static const row rows[] = {
    {"photos", FOLDER, AT(photos), "FOLDER", 0, 0, "photographs, with all below it"},
    {"out", FOLDER, AT(out), "FOLDER", 0, 0,
     "folder to make or fill: real/, fake/FAMILY/, manifest.tsv"},
    {"families", WORD, AT(o.families), "LIST", 0, 0,
     "of deconv, nearest, bilinear, shuffle, nearest-vq, gan, ddpm, ddim, latent, sr, "
     "sr4, inpaint, chain, fixed-nearest, fixed-bilinear, fixed-bicubic, fixed-zero, "
     "fixed-median; all; left out: the first four and the last five"},
    {"crop", WHOLE, AT(o.crop), "N", 32, 1024,
     "side of the parents in pixels, a multiple of 16"},
    {"crops", WHOLE, AT(o.crops), "N", 1, 1000, "parents per photograph at most"},
    {"steps", WHOLE, AT(o.steps), "N", 2, 1e9, "training steps of each trained family"},
    {"seed", SEED, AT(o.seed), "N", 0, 0, "of every random choice"},
    {"threads", WHOLE, AT(o.threads), "N", 0, 256, "0: one per processor"},
    {"device", WORD, AT(o.device), "cpu|ref|cuda:0", 0, 0, "where it is computed"},
    ISOLATE_ROW(o.isolate),
};

static const forge_job initial = {.o = {.size = sizeof(rij_forge_options),
                                        .device = "cpu",
                                        .crop = 160,
                                        .crops = 16,
                                        .steps = 400}};

const command command_forge = {
    "forge",
    "make generated images from photographs",
    NULL,
    "Cuts parents out of photographs, trains small generators on them, and writes each "
    "child beside its parent, equal in content, size and format, so that only the "
    "synthesis differs. The manifest is written last; `realjudge train` takes it.",
    "0: the manifest is written. 2: the command line is not allowed. 3: it could not be "
    "done; images that were written stay.",
    "  realjudge forge --photos photographs --out forged --families nearest,ddpm\n",
    rows,
    COUNT(rows),
    &initial,
    sizeof initial,
    NULL,
    forge};
