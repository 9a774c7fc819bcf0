/* predict.c: judge image files: one line each, and exit status 1 if some could not be.
 *
 *     predict --model judge.safetensors photo.jpg other.png
 *     0.012  photograph  photo.jpg
 *     0.987  generated   other.png
 *
 * --examine answers with a promise about false alarms, and shows what the answer rests
 * on: p-values, and which re-shippings contradict it.
 *
 *     generated   p_real 0.004  p_generated 0.611  0 of 6 contradict  other.png
 *
 * --explain says where in a picture the evidence lies, and writes that over the picture.
 *
 *     0.987  generated   other.png
 *       stands out at 312, 120 (p 0.012): 4.1 % of the picture do, 96 % of the excess is
 *       there
 *       as far from what photographs share as 0.93 of them, or farther
 *
 * --nearest names the photographs, of those that the training kept out, whose traces are
 * most similar to a picture's, and how similar (realjudge_verdict.h says what that
 * means).
 *
 *     0.012  photograph  photo.jpg
 *       near 0.9312  holiday/17.jpg */
#include <realjudge.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

static int usage(FILE *out, int status)
{
    fputs(
        "predict --model MODEL [--device cpu|ref|cuda:0] [--threads N]\n"
        "        [--precision fp32|bf16|tf32] [--crops N] [--describe] [--examine "
        "LEVEL]\n"
        "        [--explain PNG] [--nearest K] FILE...\n"
        "Prints the score (0 photograph .. 1 generated), the verdict and the path of\n"
        "each image file; --examine: the answer real, generated or unsure, LEVEL being\n"
        "the share of photographs that may be called generated, such as 0.05;\n"
        "--explain: where the evidence lies, in words and over the one FILE, as PNG;\n"
        "--nearest: K photographs with similar traces, of those that the model keeps.\n"
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

static void say_evidence(const rij_evidence_summary *s, const char *path)
{
    printf("%.3f  %-10s  %s\n", s->verdict.score,
           s->verdict.generated ? "generated" : "photograph", path);
    if (s->found)
        printf("  stands out at %d, %d (p %.3f): %.1f %% of the picture do, %.0f %% of "
               "the excess is there\n",
               s->peak_x, s->peak_y, s->p, 100 * s->area, 100 * s->concentration);
    else
        printf("  no part stands out more than parts of photographs do (p %.3f)\n", s->p);
    if (s->far >= 0) // not where the model has no traces
        printf("  as far from what photographs share as %.2f of them, or farther\n",
               s->far);
}

/* At the level of --examine, or the usual one. */
static int explain(const rij_model *model, const char *path, double level,
                   const char *png)
{
    rij_explain_options o = RIJ_EXPLAIN_OPTIONS_INIT;
    rij_evidence *e = NULL;
    rij_evidence_summary s;
    int failed = 1;

    o.level = level;
    if (rij_explain_file(model, path, &o, &e) == RIJ_OK &&
        rij_evidence_sum_up(e, &s) == RIJ_OK &&
        rij_evidence_write_png(e, png) == RIJ_OK) {
        say_evidence(&s, path);
        failed = 0;
    }
    rij_evidence_free(e);
    return failed;
}

static int look_around(const rij_model *model, const char *path, int most)
{
    rij_neighbour *near = calloc((size_t)most, sizeof *near);
    int found = 0;
    const int failed =
        !near || rij_nearest_file(model, path, most, near, &found) != RIJ_OK;

    for (int i = 0; i < found; i++)
        printf("  near %.4f  %s\n", near[i].similarity, near[i].id);
    free(near);
    return failed;
}

/* What the command line asks for. */
typedef struct job {
    rij_open_options open;
    const char *model, *png;
    double level; /* 0: not examined */
    int describe, nearest;
} job;

static int one(const rij_model *model, const char *path, const job *j)
{
    const int failed = j->png          ? explain(model, path, j->level, j->png)
                       : j->level != 0 ? examine(model, path, j->level)
                                       : judge(model, path);

    return failed || !j->nearest ? failed : look_around(model, path, j->nearest);
}

static int judge_all(const rij_model *model, int n, char **path, const job *j)
{
    int failed = 0;

    for (int i = 0; i < n; i++)
        if (one(model, path[i], j) != 0) {
            fprintf(stderr, "%s\n", rij_last_error());
            failed = 1;
        }
    return failed;
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

/* Returns 0, or the exit status. */
static int read_options(int argc, char **argv, job *j)
{
    static const struct option known[] = {{"model", required_argument, NULL, 'm'},
                                          {"device", required_argument, NULL, 'd'},
                                          {"threads", required_argument, NULL, 't'},
                                          {"crops", required_argument, NULL, 'c'},
                                          {"precision", required_argument, NULL, 'p'},
                                          {"describe", no_argument, NULL, 'i'},
                                          {"examine", required_argument, NULL, 'e'},
                                          {"explain", required_argument, NULL, 'x'},
                                          {"nearest", required_argument, NULL, 'n'},
                                          {"help", no_argument, NULL, 'h'},
                                          {0}};
    char *end = NULL;
    int letter;

    while ((letter = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (letter) {
        case 'm':
            j->model = optarg;
            break;
        case 'd':
            j->open.device = optarg;
            break;
        case 't':
            j->open.threads = atoi(optarg);
            break;
        case 'c':
            j->open.crops = (int)strtol(optarg, &end, 10);
            if (*end || j->open.crops < 1)
                return usage(stderr, 2);
            break;
        case 'p':
            j->open.precision = optarg;
            break;
        case 'i':
            j->describe = 1;
            break;
        case 'e':
            j->level = strtod(optarg, &end);
            if (*end || !(j->level > 0))
                return usage(stderr, 2);
            break;
        case 'n':
            j->nearest = (int)strtol(optarg, &end, 10);
            if (*end || j->nearest < 1 || j->nearest > 1024)
                return usage(stderr, 2);
            break;
        case 'x':
            j->png = optarg;
            break;
        case 'h':
            exit(usage(stdout, 0));
        default:
            return usage(stderr, 2);
        }
    }
    return 0;
}

int main(int argc, char **argv)
{
    job j = {.open = RIJ_OPEN_OPTIONS_INIT};
    rij_model *model = NULL;
    int failed = 0;

    if (read_options(argc, argv, &j) != 0)
        return 2;
    if (!j.model || (optind == argc && !j.describe) || (j.png && optind + 1 != argc))
        return usage(stderr, 2);
    if (rij_model_open(j.model, &j.open, &model) != RIJ_OK) {
        fprintf(stderr, "%s\n", rij_last_error());
        return 1;
    }
    if (j.describe)
        failed = describe(model);
    failed |= judge_all(model, argc - optind, argv + optind, &j);
    rij_model_free(model);
    return failed;
}
