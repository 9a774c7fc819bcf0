/* forge.c: make generated images from photographs of one's own.
 *
 *     forge --photos DIR --out DIR [--families LIST] [--crop N] [--crops N] [--steps N]
 *
 * What is left out has the default of rij_forge_options. docs/forging.md has what the
 * families are and how long they take. */
#include "show.h"
#include <getopt.h>
#include <stdlib.h>

typedef struct job {
    rij_forge_options o;
    const char *photos, *out;
    int quiet;
} job;

static int usage(FILE *out, int status)
{
    fputs("forge --photos DIR --out DIR  [options]\n\n"
          "  --families LIST     deconv, nearest, bilinear, shuffle, nearest-vq, gan,\n"
          "                      ddpm, ddim, latent, sr, sr4, inpaint, chain,\n"
          "                      fixed-nearest, fixed-bilinear, fixed-bicubic,\n"
          "                      fixed-zero, fixed-median; or all\n"
          "  --crop N            side of the parents in pixels, a multiple of 16\n"
          "  --crops N           parents per photograph at most\n"
          "  --steps N           training steps of each trained family\n"
          "  --seed N            of every random choice\n"
          "  --device NAME       cpu, ref or cuda:0\n"
          "  --threads N         0: one per processor\n"
          "  --quiet             no progress\n",
          out);
    return status;
}

/* Returns 0, or 1 when the text is not a number. */
static int set_number(const char *name, const char *text, int *to)
{
    char *end = NULL;

    *to = (int)strtol(text, &end, 10);
    if (end != text && *end == 0)
        return 0;
    fprintf(stderr, "forge: --%s: '%s' is not a number\n", name, text);
    return 1;
}

static int read_options(int argc, char **argv, job *j)
{
    static const struct option known[] = {{"photos", required_argument, NULL, 'p'},
                                          {"out", required_argument, NULL, 'o'},
                                          {"families", required_argument, NULL, 'f'},
                                          {"device", required_argument, NULL, 'd'},
                                          {"seed", required_argument, NULL, 's'},
                                          {"crop", required_argument, NULL, 0},
                                          {"crops", required_argument, NULL, 1},
                                          {"steps", required_argument, NULL, 2},
                                          {"threads", required_argument, NULL, 3},
                                          {"quiet", no_argument, NULL, 'q'},
                                          {"help", no_argument, NULL, 'h'},
                                          {0}};
    int *const number[] = {&j->o.crop, &j->o.crops, &j->o.steps, &j->o.threads};
    int letter, at = 0;

    while ((letter = getopt_long(argc, argv, "", known, &at)) != -1) {
        if (letter == 'p')
            j->photos = optarg;
        else if (letter == 'o')
            j->out = optarg;
        else if (letter == 'f')
            j->o.families = optarg;
        else if (letter == 'd')
            j->o.device = optarg;
        else if (letter == 's')
            j->o.seed = strtoull(optarg, NULL, 10);
        else if (letter == 'q')
            j->quiet = 1;
        else if (letter == 'h')
            exit(usage(stdout, 0));
        else if (letter > 3)
            return usage(stderr, 2);
        else if (set_number(known[at].name, optarg, number[letter]) != 0)
            return 2;
    }
    return j->photos && j->out && optind == argc ? 0 : usage(stderr, 2);
}

int main(int argc, char **argv)
{
    const double start_s = seconds_now();
    bar b = BAR_INIT;
    job j = {.o = RIJ_FORGE_OPTIONS_INIT};
    rij_status status;

    if (read_options(argc, argv, &j) != 0)
        return 2;
    j.o.progress = j.quiet ? NULL : show_progress;
    j.o.user = &b;
    status = rij_forge(j.photos, j.out, &j.o);
    bar_end(&b);
    if (status != RIJ_OK) {
        fflush(stdout);
        fprintf(stderr, "forge: %s\n", rij_last_error());
        return 1;
    }
    printf("%s/manifest.tsv after %.0f s\n", j.out, seconds_now() - start_s);
    return 0;
}
