/* demo.c: the whole story, with the public header only.
 *
 *     photographs to train on ── forge: deconv, bilinear ──> train ──> a model
 *     a few others ───────────── forge: deconv, bilinear ──> calibrate its answers
 *     other photographs ──────── forge: nearest, shuffle ──> evaluate, predict, report
 *
 * The detector is tested on photographs it never saw and on decoders it never saw, as
 * they are and after both classes went through JPEG 75. A second, short training has its
 * labels shuffled, and is judged against labels shuffled too: pixels then say nothing,
 * and if its AUC is not about one half, something besides the pixels leaks. `make demo`
 * finds the photographs and runs this. */
#include "show.h"
#include <getopt.h>
#include <stdlib.h>

typedef struct plan {
    const char *train_photos, *test_photos, *out;
    const char *calibrate_photos; /* or NULL: as the training has left it */
    uint64_t seed;
    int threads;
    int crops, forge_steps;   /* of rij_forge() */
    int steps1, steps2;       /* of the training */
    int shuffled1, shuffled2; /* of the training on shuffled labels */
    char train[4096], test[4096], calibrate[4096], model[4096];
    /* they know the photographs */
    char train_manifest[4200], test_manifest[4200], calibrate_manifest[4200];
} plan;

static const plan full = {.crops = 20,
                          .forge_steps = 60,
                          .steps1 = 100,
                          .steps2 = 1200,
                          .shuffled1 = -1,
                          .shuffled2 = 30};
static const plan brief = {.crops = 8,
                           .forge_steps = 40,
                           .steps1 = 10,
                           .steps2 = 80,
                           .shuffled1 = -1,
                           .shuffled2 = 10};

/* Of answers: the least that six photographs can promise is one in seven. */
static const double level = 0.15;

static int complain(const char *what)
{
    fflush(stdout);
    fprintf(stderr, "demo: %s: %s\n", what, rij_last_error());
    return 1;
}

/* ---- the five steps --------------------------------------------------------------- */

static int forge(const plan *p, const char *photos, const char *out, const char *families,
                 uint64_t seed)
{
    bar b = BAR_INIT;
    rij_forge_options o = RIJ_FORGE_OPTIONS_INIT;
    rij_status status;

    o.seed = seed;
    o.threads = p->threads;
    o.families = families;
    o.crops = p->crops;
    o.steps = p->forge_steps;
    o.progress = show_progress;
    o.user = &b;
    status = rij_forge(photos, out, &o);
    bar_end(&b);
    return status == RIJ_OK ? 0 : complain("forging");
}

static int train(const plan *p, int shuffled, rij_model **model)
{
    bar b = BAR_INIT;
    rij_train_options o = RIJ_TRAIN_OPTIONS_INIT;
    rij_status status;

    o.seed = p->seed;
    o.threads = p->threads;
    o.steps1 = shuffled ? p->shuffled1 : p->steps1;
    o.steps2 = shuffled ? p->shuffled2 : p->steps2;
    o.shuffle_labels = shuffled;
    o.forged = 0.4; // its fakes are children of its own photographs: worth more room
    o.sharp = 1;    // and all its photographs are as cameras make them
    o.weight_decay = 0.8;
    o.progress = show_progress;
    o.user = &b;
    status = rij_train(p->train_manifest, &o, model);
    bar_end(&b);
    return status == RIJ_OK ? 0 : complain("training");
}

/* Answers rest on photographs that did not train, as many as there are. */
static int calibrate(const plan *p, rij_model *model)
{
    bar b = BAR_INIT;
    rij_calibrate_options o = RIJ_CALIBRATE_OPTIONS_INIT;
    rij_status status;

    if (!p->calibrate_photos)
        return 0;
    puts("\nForging fakes to calibrate answers on, from a few others");
    if (forge(p, p->calibrate_photos, p->calibrate, "deconv,bilinear", p->seed + 2) != 0)
        return 1;
    o.progress = show_progress;
    o.user = &b;
    status = rij_calibrate(model, p->calibrate_manifest, &o);
    bar_end(&b);
    return status == RIJ_OK ? 0 : complain("calibrating");
}

static int evaluate(const plan *p, const rij_model *model, const char *columns,
                    int shuffled, rij_evaluation **evaluation)
{
    bar b = BAR_INIT;
    rij_evaluate_options o = RIJ_EVALUATE_OPTIONS_INIT;
    rij_status status;

    o.columns = columns;
    o.shuffle_labels = shuffled;
    o.level = level;
    o.progress = show_progress;
    o.user = &b;
    status = rij_evaluate(model, p->test_manifest, &o, evaluation);
    bar_end(&b);
    return status == RIJ_OK ? 0 : complain("evaluating");
}

static int judge_file(const rij_model *model, const char *path)
{
    rij_verdict v;

    if (rij_predict_file(model, path, &v) != RIJ_OK)
        return complain("judging");
    printf("%.3f  %-10s  %s\n", v.score, v.generated ? "generated" : "photograph", path);
    return 0;
}

/* The same places of a few photographs: the parent, then its two children. */
static int judge_families(const plan *p, const rij_model *model)
{
    static const char *const place[] = {"real", "fake/nearest", "fake/shuffle"};
    char path[4200];

    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 3; k++) {
            snprintf(path, sizeof path, "%s/%s/%05d.png", p->test, place[k], 11 * i);
            if (access(path, R_OK) == 0 && judge_file(model, path) != 0)
                return 1;
        }
    return 0;
}

/* The evaluation as a page, with what an audit of its data finds. */
static int report(const plan *p, const rij_model *model, const rij_evaluation *e)
{
    rij_report_options o = RIJ_REPORT_OPTIONS_INIT;
    rij_audit_options a = RIJ_AUDIT_OPTIONS_INIT;
    rij_audit_report *found = NULL;
    rij_status status;
    char stem[4200];

    snprintf(stem, sizeof stem, "%s/report", p->out);
    a.threads = p->threads;
    status = rij_audit(p->test_manifest, &a, &found);
    o.title = "Unseen photographs and unseen decoders";
    o.audit = found;
    o.thumbnails = 1;
    if (status == RIJ_OK)
        status = rij_report_write(model, e, &o, stem);
    rij_audit_report_free(found);
    if (status != RIJ_OK)
        return complain("reporting");
    printf("\nwrote %s.html, a page with charts, and the same as .json and .tsv\n", stem);
    return 0;
}

/* ---- the result ------------------------------------------------------------------- */

/* The row "mAP" of a column; images: the images judged, each once. */
static int summary(const rij_evaluation *e, const char *column, rij_evaluation_row *row,
                   int *images)
{
    rij_evaluation_row r;
    int found = 0;

    for (int i = 0; i < rij_evaluation_rows(e); i++) {
        if (rij_evaluation_row_at(e, i, &r) != RIJ_OK || strcmp(r.column, column) != 0)
            continue;
        if (strcmp(r.generator, "mAP") == 0) {
            *row = r;
            found = 1;
        } else if (strcmp(r.generator, "POOLED") == 0) {
            *images = r.n_real + r.n_fake;
        }
    }
    return found ? 0 : 1;
}

/* Answers to the images as they are: right, wrong, unsure. */
static void count_answers(const rij_evaluation *e, int count[3])
{
    rij_evaluation_image image;

    for (int i = 0; i < rij_evaluation_images(e); i++)
        if (rij_evaluation_image_at(e, i, &image) == RIJ_OK &&
            strcmp(image.column, "native") == 0)
            count[image.answer == RIJ_ANSWER_UNSURE                           ? 2
                  : (image.answer == RIJ_ANSWER_GENERATED) == image.generated ? 0
                                                                              : 1]++;
}

static int tell_story(const plan *p, double start_s)
{
    rij_model *model = NULL, *shuffled = NULL;
    rij_evaluation *e = NULL, *alarm = NULL;
    rij_evaluation_row native = {0}, jpeg75 = {0}, chance = {0};
    int images = 0, answers[3] = {0};
    int failed;

    puts("\nForging fakes to train on: decoders deconv, bilinear");
    failed = forge(p, p->train_photos, p->train, "deconv,bilinear", p->seed);
    if (!failed)
        puts("\nForging fakes to test on, from other photographs: nearest, shuffle");
    failed = failed || forge(p, p->test_photos, p->test, "nearest,shuffle", p->seed + 1);
    if (!failed)
        puts("\nTraining");
    failed = failed || train(p, 0, &model) || calibrate(p, model);
    if (!failed && rij_model_save(model, p->model) != RIJ_OK)
        failed = complain("saving");
    if (!failed)
        printf("saved %s\n\nJudging unseen photographs and unseen decoders\n", p->model);
    failed = failed || evaluate(p, model, "native,jpeg75", 0, &e);
    if (!failed) {
        putchar('\n');
        show_table(e);
        putchar('\n');
    }
    failed = failed || judge_families(p, model) || report(p, model, e);
    if (!failed)
        puts("\nTraining on shuffled labels, which must teach nothing");
    failed = failed || train(p, 1, &shuffled) ||
             evaluate(p, shuffled, "native", 1, &alarm) ||
             summary(e, "native", &native, &images) ||
             summary(e, "jpeg75", &jpeg75, &images) ||
             summary(alarm, "native", &chance, &images);
    if (!failed)
        count_answers(e, answers);
    if (!failed)
        printf("\nRESULT demo unseen_auc=%.4f unseen_ap=%.4f jpeg75_auc=%.4f "
               "shuffled_auc=%.4f verdicts=%d/%d/%d images=%d seconds=%.0f\n",
               native.auc, native.ap, jpeg75.auc, chance.auc, answers[0], answers[1],
               answers[2], images, seconds_now() - start_s);
    rij_evaluation_free(alarm);
    rij_evaluation_free(e);
    rij_model_free(shuffled);
    rij_model_free(model);
    return failed;
}

/* ---- command line ----------------------------------------------------------------- */

static int usage(FILE *out, int status)
{
    fputs("demo [--short] [--seed N] [--threads N] [--crops N] [--forge-steps N]\n"
          "     [--steps1 N] [--steps2 N] [--shuffled-steps N] [--calibrate PHOTOS]\n"
          "     TRAIN_PHOTOS TEST_PHOTOS OUT\n"
          "Folders of photographs that share none; everything made lies below OUT.\n",
          out);
    return status;
}

static int read_options(int argc, char **argv, plan *p)
{
    static const struct option known[] = {
        {"short", no_argument, NULL, 'b'},
        {"seed", required_argument, NULL, 's'},
        {"threads", required_argument, NULL, 't'},
        {"crops", required_argument, NULL, 'c'},
        {"forge-steps", required_argument, NULL, 'f'},
        {"steps1", required_argument, NULL, '1'},
        {"steps2", required_argument, NULL, '2'},
        {"shuffled-steps", required_argument, NULL, 'x'},
        {"calibrate", required_argument, NULL, 'a'},
        {"help", no_argument, NULL, 'h'},
        {0}};
    int letter;

    while ((letter = getopt_long(argc, argv, "", known, NULL)) != -1) {
        const int number = optarg ? atoi(optarg) : 0;

        switch (letter) {
        case 'b':
            *p = brief;
            break;
        case 's':
            p->seed = strtoull(optarg, NULL, 10);
            break;
        case 't':
            p->threads = number;
            break;
        case 'c':
            p->crops = number;
            break;
        case 'f':
            p->forge_steps = number;
            break;
        case '1':
            p->steps1 = number;
            break;
        case '2':
            p->steps2 = number;
            break;
        case 'x':
            p->shuffled2 = number;
            break;
        case 'a':
            p->calibrate_photos = optarg;
            break;
        case 'h':
            exit(usage(stdout, 0));
        default:
            return usage(stderr, 2);
        }
    }
    return optind + 3 == argc ? 0 : usage(stderr, 2);
}

int main(int argc, char **argv)
{
    const double start_s = seconds_now();
    plan p = full;

    if (read_options(argc, argv, &p) != 0)
        return 2;
    p.train_photos = argv[optind];
    p.test_photos = argv[optind + 1];
    p.out = argv[optind + 2];
    snprintf(p.train, sizeof p.train, "%s/train", p.out);
    snprintf(p.test, sizeof p.test, "%s/test", p.out);
    snprintf(p.calibrate, sizeof p.calibrate, "%s/calibrate", p.out);
    snprintf(p.calibrate_manifest, sizeof p.calibrate_manifest, "%s/manifest.tsv",
             p.calibrate);
    snprintf(p.model, sizeof p.model, "%s/model.safetensors", p.out);
    snprintf(p.train_manifest, sizeof p.train_manifest, "%s/manifest.tsv", p.train);
    snprintf(p.test_manifest, sizeof p.test_manifest, "%s/manifest.tsv", p.test);
    return tell_story(&p, start_s);
}
