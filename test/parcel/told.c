/* told.c: what other programs are held against: models, and verdicts to the last bit. It
 * sees the public header only.
 *
 *     told train DATA ENCODER FRONT DECIDE EMBEDDING OUT   a training of two steps
 *     told judge MODEL FILE...                    a line of hexadecimal numbers each
 *     told examine MODEL LEVEL FILE...
 *     told explain MODEL LEVEL FILE...
 *     told nearest MODEL K FILE...                names of exemplars and similarities
 *     told import WEIGHTS OUT                     weights become a model file
 *     told onnx MODEL INPUT OUT                   the model as a graph */
#include <realjudge.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int complain(void)
{
    fprintf(stderr, "told: %s\n", rij_last_error());
    return 1;
}

static int train(char **argv)
{
    rij_train_options o = RIJ_TRAIN_OPTIONS_INIT;
    rij_model *m = NULL;
    int failed = 0;

    o.threads = 1;
    o.seed = 5;
    o.min_images = 2;
    o.validation = 0.3;
    o.encoder = argv[1];
    o.front = argv[2];
    o.decide = argv[3];
    o.crop = 64;
    o.embedding = atoi(argv[4]);
    o.batch1 = o.batch2 = 4;
    o.steps1 = o.steps2 = 2;
    o.traces = 2;
    o.exemplars = 3;
    o.allow = "mean colour, dimensions"; // a dozen pictures
    if (rij_train(argv[0], &o, &m) != RIJ_OK || rij_model_save(m, argv[5]) != RIJ_OK)
        failed = complain();
    rij_model_free(m);
    return failed;
}

static void tell(const rij_verdict *v)
{
    printf("%a %a %a %a %d %d %a %a %a", v->score, v->margin, v->classifier, v->proximity,
           v->generated, v->crops, v->softness, v->p_real, v->p_generated);
}

static int judge(const rij_model *m, const char *path)
{
    rij_verdict v;

    if (rij_predict_file(m, path, &v) != RIJ_OK)
        return 1;
    tell(&v);
    return 0;
}

static int examine(const rij_model *m, double level, const char *path)
{
    rij_examine_options o = RIJ_EXAMINE_OPTIONS_INIT;
    rij_examination e;

    o.level = level;
    if (rij_examine_file(m, path, &o, &e) != RIJ_OK)
        return 1;
    tell(&e.verdict);
    printf(" %d %d %d", e.answer, e.alone, e.contradictions);
    for (int i = 0; i < RIJ_SHIPPINGS; i++)
        printf(" %s %a %a %a %d", e.strip[i].name, e.strip[i].margin, e.strip[i].p_real,
               e.strip[i].p_generated, e.strip[i].answer);
    return 0;
}

static int explain(const rij_model *m, double level, const char *path)
{
    rij_explain_options o = RIJ_EXPLAIN_OPTIONS_INIT;
    rij_evidence *evidence = NULL;
    rij_evidence_summary s;

    o.level = level;
    if (rij_explain_file(m, path, &o, &evidence) != RIJ_OK ||
        rij_evidence_sum_up(evidence, &s) != RIJ_OK)
        return 1;
    tell(&s.verdict);
    printf(" %d %d %d %d %d %d %d %a %a %d %d %a %a %a %a", s.columns, s.rows, s.left,
           s.top, s.cell, s.window, s.found, s.p, s.peak, s.peak_x, s.peak_y, s.threshold,
           s.area, s.concentration, s.far);
    for (int i = 0; i < s.columns * s.rows; i++)
        printf(" %a", (double)rij_evidence_cells(evidence)[i]);
    rij_evidence_free(evidence);
    return 0;
}

static int nearest(const rij_model *m, int most, const char *path)
{
    rij_neighbour near[8];
    int found = 0;

    if (most > 8 || rij_nearest_file(m, path, most, near, &found) != RIJ_OK)
        return 1;
    for (int i = 0; i < found; i++)
        printf("%s %a ", near[i].id, near[i].similarity);
    return 0;
}

/* What is told of one file. */
static int tell_of(const rij_model *m, char **argv, const char *path)
{
    if (strcmp(argv[1], "judge") == 0)
        return judge(m, path);
    if (strcmp(argv[1], "examine") == 0)
        return examine(m, atof(argv[3]), path);
    if (strcmp(argv[1], "explain") == 0)
        return explain(m, atof(argv[3]), path);
    return nearest(m, atoi(argv[3]), path);
}

static int export(const rij_model *m, const char *input, const char *path)
{
    rij_onnx_options o = RIJ_ONNX_OPTIONS_INIT;

    o.input = input;
    return rij_model_export_onnx(m, &o, path) != RIJ_OK;
}

int main(int argc, char **argv)
{
    const char *verb = argc > 3 ? argv[1] : "";
    const int judges = strcmp(verb, "judge") == 0;
    const int exports = argc == 5 && strcmp(verb, "onnx") == 0;
    rij_model *m = NULL;
    int failed = 0;

    if (argc == 8 && strcmp(verb, "train") == 0)
        return train(argv + 2);
    if (argc == 4 && strcmp(verb, "import") == 0)
        return rij_model_import(argv[2], argv[3]) == RIJ_OK ? 0 : complain();
    if (!judges && !exports && strcmp(verb, "examine") != 0 &&
        strcmp(verb, "explain") != 0 && strcmp(verb, "nearest") != 0)
        return 2;
    if (rij_model_open(argv[2], NULL, &m) != RIJ_OK)
        return complain();
    if (exports)
        failed = export(m, argv[3], argv[4]);
    for (int i = judges ? 3 : 4; !exports && i < argc && !failed; i++) {
        failed = tell_of(m, argv, argv[i]);
        printf("\n");
    }
    if (failed)
        complain();
    rij_model_free(m);
    return failed;
}
