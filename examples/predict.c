/* predict.c: judge image files: one line each, and exit status 1 if some could not be.
 *
 *     predict --model judge.safetensors photo.jpg other.png
 *     0.012  photograph  photo.jpg
 *     0.987  generated   other.png */
#include <realjudge.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

static int usage(FILE *out, int status)
{
    fputs("predict --model MODEL [--device cpu|ref|cuda:0] [--threads N]\n"
          "        [--precision fp32|bf16|tf32] [--describe] FILE...\n"
          "Prints the score (0 photograph .. 1 generated), the verdict and the path of\n"
          "each PNG or JPEG file. Exit status 1: some file could not be judged.\n",
          out);
    return status;
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
                                          {"precision", required_argument, NULL, 'p'},
                                          {"describe", no_argument, NULL, 'i'},
                                          {"help", no_argument, NULL, 'h'},
                                          {0}};
    rij_open_options options = RIJ_OPEN_OPTIONS_INIT;
    const char *path = NULL;
    rij_model *model = NULL;
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
        case 'p':
            options.precision = optarg;
            break;
        case 'i':
            about = 1;
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
        rij_verdict v;

        if (rij_predict_file(model, argv[i], &v) == RIJ_OK) {
            printf("%.3f  %-10s  %s\n", v.score, v.generated ? "generated" : "photograph",
                   argv[i]);
        } else {
            fprintf(stderr, "%s\n", rij_last_error());
            failed = 1;
        }
    }
    rij_model_free(model);
    return failed;
}
