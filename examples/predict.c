/* predict.c: judge image files: one line each, and exit status 1 if some could not be.
 *
 *     predict --model judge.safetensors photo.jpg other.png
 *     0.012  photograph  photo.jpg
 *     0.987  generated   other.png
 *
 * --examine answers with a promise about false alarms, and shows what the answer rests
 * on: p-values, and which re-shippings contradict it.
 *
 *     generated   p_real 0.004  p_generated 0.611  0 of 6 contradict  other.png */
#include <realjudge.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

static int usage(FILE *out, int status)
{
    fputs(
        "predict --model MODEL [--device cpu|ref|cuda:0] [--threads N]\n"
        "        [--precision fp32|bf16|tf32] [--crops N] [--describe] [--examine LEVEL] "
        "FILE...\n"
        "Prints the score (0 photograph .. 1 generated), the verdict and the path of\n"
        "each PNG or JPEG file; --examine: the answer real, generated or unsure, LEVEL\n"
        "being the share of photographs that may be called generated, such as 0.05.\n"
        "Exit status 1: some file could not be judged.\n",
        out);
    return status;
}

static int judge(const rij_model *model, const char *path)
{
    rij_verdict v;

    if (rij_predict_file(model, path, &v) != RIJ_OK)
        return 1;
    printf("%.3f  %-10s  %s\n", v.score, v.generated ? "generated" : "photograph", path);
    return 0;
}

static int examine(const rij_model *model, const char *path, double level)
{
    static const char *const answers[] = {"unsure", "real", "generated"};
    rij_examine_options o = RIJ_EXAMINE_OPTIONS_INIT;
    rij_examination e;

    o.level = level;
    if (rij_examine_file(model, path, &o, &e) != RIJ_OK)
        return 1;
    printf("%-10s  p_real %.3f  p_generated %.3f  %d of %d contradict  %s\n",
           answers[e.answer], e.verdict.p_real, e.verdict.p_generated, e.contradictions,
           RIJ_SHIPPINGS, path);
    return 0;
}

static int describe(const rij_model *model)
{
    const size_t size = rij_model_describe(model, NULL, 0) + 1;
    char *text = malloc(size);

    if (!text)
        return 1;
    rij_model_describe(model, text, size);
    fputs(text, stdout);
    free(text);
    return 0;
}

int main(int argc, char **argv)
{
    static const struct option known[] = {{"model", required_argument, NULL, 'm'},
                                          {"device", required_argument, NULL, 'd'},
                                          {"threads", required_argument, NULL, 't'},
                                          {"crops", required_argument, NULL, 'c'},
                                          {"precision", required_argument, NULL, 'p'},
                                          {"describe", no_argument, NULL, 'i'},
                                          {"examine", required_argument, NULL, 'e'},
                                          {"help", no_argument, NULL, 'h'},
                                          {0}};
    rij_open_options options = RIJ_OPEN_OPTIONS_INIT;
    const char *path = NULL;
    rij_model *model = NULL;
    double level = 0; /* 0: not examined */
    char *end;
    int failed = 0, about = 0, letter;

    while ((letter = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (letter) {
        case 'm':
            path = optarg;
            break;
        case 'd':
            options.device = optarg;
            break;
        case 't':
            options.threads = atoi(optarg);
            break;
        case 'c':
            options.crops = atoi(optarg);
            break;
        case 'p':
            options.precision = optarg;
            break;
        case 'i':
            about = 1;
            break;
        case 'e':
            level = strtod(optarg, &end);
            if (*end || !(level > 0))
                return usage(stderr, 2);
            break;
        case 'h':
            return usage(stdout, 0);
        default:
            return usage(stderr, 2);
        }
    }
    if (!path || (optind == argc && !about))
        return usage(stderr, 2);
    if (rij_model_open(path, &options, &model) != RIJ_OK) {
        fprintf(stderr, "%s\n", rij_last_error());
        return 1;
    }
    if (about)
        failed = describe(model);
    for (int i = optind; i < argc; i++) {
        if ((level != 0 ? examine(model, argv[i], level) : judge(model, argv[i])) != 0) {
            fprintf(stderr, "%s\n", rij_last_error());
            failed = 1;
        }
    }
    rij_model_free(model);
    return failed;
}
