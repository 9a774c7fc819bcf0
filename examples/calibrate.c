/* calibrate.c: rest a model's answers on photographs of your own.
 *
 *     calibrate --model judge.safetensors --data photographs --out mine.safetensors
 *
 * Scores stay; `predict --examine` and `--explain` then hold for photographs like those.
 */
#include "show.h"
#include <getopt.h>
#include <stdlib.h>

static int usage(FILE *out, int status)
{
    fputs("calibrate --model MODEL  --manifest FILE | --data DIR  --out MODEL  "
          "[options]\n\n"
          "  --split NAME     split of the manifest (all of it)\n"
          "  --threads N      0: one per processor\n"
          "  --quiet          no progress\n"
          "Photographs (and generated images, if there are any) that did not train the\n"
          "model, at least 19 independent ones for answers at level 0.05.\n",
          out);
    return status;
}

static int complain(void)
{
    fflush(stdout);
    fprintf(stderr, "calibrate: %s\n", rij_last_error());
    return 1;
}

int main(int argc, char **argv)
{
    static const struct option known[] = {{"model", required_argument, NULL, 'm'},
                                          {"manifest", required_argument, NULL, 'd'},
                                          {"data", required_argument, NULL, 'd'},
                                          {"out", required_argument, NULL, 'o'},
                                          {"split", required_argument, NULL, 's'},
                                          {"threads", required_argument, NULL, 't'},
                                          {"quiet", no_argument, NULL, 'q'},
                                          {"help", no_argument, NULL, 'h'},
                                          {0}};
    rij_calibrate_options o = RIJ_CALIBRATE_OPTIONS_INIT;
    rij_open_options open = RIJ_OPEN_OPTIONS_INIT;
    const char *path = NULL, *data = NULL, *out = NULL;
    rij_model *model = NULL;
    bar b = BAR_INIT;
    rij_status status;
    int letter;

    o.progress = show_progress;
    o.user = &b;
    while ((letter = getopt_long(argc, argv, "", known, NULL)) != -1) {
        if (letter == 'm')
            path = optarg;
        else if (letter == 'd')
            data = optarg;
        else if (letter == 'o')
            out = optarg;
        else if (letter == 's')
            o.split = optarg;
        else if (letter == 't')
            open.threads = atoi(optarg);
        else if (letter == 'q')
            o.progress = NULL;
        else
            return usage(letter == 'h' ? stdout : stderr, letter == 'h' ? 0 : 2);
    }
    if (!path || !data || !out || optind != argc)
        return usage(stderr, 2);
    if (rij_model_open(path, &open, &model) != RIJ_OK)
        return complain();
    status = rij_calibrate(model, data, &o);
    bar_end(&b);
    if (status == RIJ_OK)
        status = rij_model_save(model, out);
    rij_model_free(model);
    return status == RIJ_OK ? 0 : complain();
}
