/* train.c: train a judge on a data set and say how it does on another part of it.
 *
 *     train --manifest data.tsv --split train --eval-split dev --out judge.safetensors
 *
 * What is left out has the default of rij_train_options; -1 switches a term off. With
 * --checkpoint FILE --resume a training that was killed, or stopped by SIGINT or SIGTERM,
 * goes on when the same command is given again. */
#include "show.h"
#include <getopt.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>

typedef struct job {
    rij_train_options o;
    const char *data, *out, *eval_split, *columns;
    int quiet;
    bar b;
} job;

static volatile sig_atomic_t asked_to_stop;

static void ask_to_stop(int signal)
{
    (void)signal;
    asked_to_stop = 1;
}

/* The first signal asks, the second one kills. */
static void on_signals(void (*act)(int))
{
    struct sigaction action = {.sa_handler = act, .sa_flags = (int)SA_RESETHAND};

    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

/* A rij_progress_fn; `user` is a job. */
static int go_on(const rij_progress *p, void *user)
{
    job *j = user;

    if (!j->quiet)
        show_progress(p, &j->b);
    return asked_to_stop;
}

/* Options that set one field of rij_train_options. */
enum kind { INT, NUMBER, TEXT, FLAG };
typedef struct field {
    const char *name;
    enum kind kind;
    size_t at;
    const char *help;
} field;
#define FIELD(name, kind, member, help)                                                  \
    {                                                                                    \
        name, kind, offsetof(rij_train_options, member), help                            \
    }
static const field fields[] = {
    FIELD("split", TEXT, split, "split of the manifest to train on (all of it)"),
    FIELD("device", TEXT, device, "cpu, ref or cuda:0"),
    FIELD("threads", INT, threads, "0: one per processor"),
    FIELD("precision", TEXT, precision, "fp32, bf16 or tf32"),
    FIELD("encoder", TEXT, encoder, "statistics, patch, small, resnet18, resnet50"),
    FIELD("front", TEXT, front, "raw, median, npr, haar or octaves"),
    FIELD("crop", INT, crop, "side of the native crop in pixels"),
    FIELD("embedding", INT, embedding, "width of z"),
    FIELD("steps1", INT, steps1, "steps of stage 1; -1: none"),
    FIELD("steps2", INT, steps2, "steps of stage 2 at most"),
    FIELD("batch1", INT, batch1, "images a step of stage 1"),
    FIELD("batch2", INT, batch2, "images a step of stage 2"),
    FIELD("rate1", NUMBER, rate1, "learning rate of stage 1 at batch 256"),
    FIELD("rate2", NUMBER, rate2, "learning rate of stage 2"),
    FIELD("optimiser", TEXT, optimiser, "adamw or sgd"),
    FIELD("patience", INT, patience, "checks without gain before stopping; -1: off"),
    FIELD("contrast", TEXT, contrast, "extended, soft or none"),
    FIELD("average", NUMBER, average, "kept of the mean of parameters; -1: off"),
    FIELD("warmup", NUMBER, warmup, "share of steps that warm up; -1: none"),
    FIELD("weight-decay", NUMBER, weight_decay, "-1: off"),
    FIELD("lambda", NUMBER, lambda, "weight of the contrastive loss; -1: off"),
    FIELD("tau", NUMBER, tau, "temperature of the contrastive losses"),
    FIELD("tau-s", NUMBER, tau_s, "temperature of the soft targets"),
    FIELD("alpha", NUMBER, alpha, "soft targets to the traces; -1: none"),
    FIELD("beta", NUMBER, beta, "soft targets to other fakes; -1: none"),
    FIELD("rho", NUMBER, rho, "weight of the traces as anchors; -1: none"),
    FIELD("l-het", NUMBER, l_het, "weight of L_het in stage 1 (off)"),
    FIELD("l-dec", NUMBER, l_dec, "weight of L_dec in stage 1 (off)"),
    FIELD("traces", INT, traces, "natural traces; -1: none"),
    FIELD("broken", NUMBER, broken, "trace-broken views per real view; -1: none"),
    FIELD("forged", NUMBER, forged, "share of fakes forged from the batch; -1: none"),
    FIELD("blended", NUMBER, blended, "share of those blended with their parent"),
    FIELD("operated", NUMBER, operated, "share of those remade; -1: none"),
    FIELD("degraded", NUMBER, degraded, "share of views degraded; -1: none"),
    FIELD("law", TEXT, law, "one or chain: what degrades a view"),
    FIELD("jpeg-min", INT, jpeg_min, "lowest JPEG quality of a degraded view"),
    FIELD("jpeg-max", INT, jpeg_max, "highest"),
    FIELD("blur-max", NUMBER, blur_max, "largest sigma of its blur, pixels"),
    FIELD("noise-max", NUMBER, noise_max, "largest deviation of its noise, levels"),
    FIELD("resize-min", NUMBER, resize_min, "smallest factor it is resized by"),
    FIELD("validation", NUMBER, validation, "share of groups kept for validation"),
    FIELD("decide", TEXT, decide, "classifier, proximity, fused, distance or joint"),
    FIELD("align", INT, align, "-1: do not match the JPEG histories of the classes"),
    FIELD("allow", TEXT, allow, "what an audit may find: format,leaks,mean colour,.."),
    FIELD("one-class", FLAG, one_class, "train on the photographs alone"),
    FIELD("checkpoint", TEXT, checkpoint, "file to go on from; gone once OUT is saved"),
    FIELD("checkpoint-seconds", NUMBER, checkpoint_seconds, "between two; -1: at a stop"),
    FIELD("resume", FLAG, resume, "go on from the checkpoint, if there is one"),
    FIELD("shuffle-labels", INT, shuffle_labels, "1: train on shuffled labels"),
};
enum { FIELDS = sizeof fields / sizeof *fields };

static int usage(FILE *out, int status)
{
    fputs("train --manifest FILE | --data DIR  --out MODEL  [options]\n\n"
          "  --seed N             of every random choice\n"
          "  --eval-split NAME    judge this split afterwards, by generator\n"
          "  --columns LIST       native,jpeg75,blur1,..: how it is judged\n"
          "  --quiet              no progress\n",
          out);
    for (int i = 0; i < FIELDS; i++)
        fprintf(out, "  --%-18s %s\n", fields[i].name, fields[i].help);
    return status;
}

/* Returns 0, or 1 when the text is not a number. */
static int set_field(job *j, const field *f, const char *text)
{
    void *at = (char *)&j->o + f->at;
    char *end = NULL;

    if (f->kind == TEXT) {
        *(const char **)at = text;
        return 0;
    }
    if (f->kind == FLAG) {
        *(int *)at = 1;
        return 0;
    }
    if (f->kind == INT)
        *(int *)at = (int)strtol(text, &end, 10);
    else
        *(double *)at = strtod(text, &end);
    if (end != text && *end == 0)
        return 0;
    fprintf(stderr, "train: --%s: '%s' is not a number\n", f->name, text);
    return 1;
}

static int read_options(int argc, char **argv, job *j)
{
    struct option known[FIELDS + 9] = {{"manifest", required_argument, NULL, 'm'},
                                       {"data", required_argument, NULL, 'd'},
                                       {"out", required_argument, NULL, 'o'},
                                       {"seed", required_argument, NULL, 's'},
                                       {"eval-split", required_argument, NULL, 'e'},
                                       {"columns", required_argument, NULL, 'c'},
                                       {"quiet", no_argument, NULL, 'q'},
                                       {"help", no_argument, NULL, 'h'}};
    int letter;

    for (int i = 0; i < FIELDS; i++)
        known[8 + i] = (struct option){
            fields[i].name, fields[i].kind == FLAG ? no_argument : required_argument,
            NULL, 1000 + i};
    while ((letter = getopt_long(argc, argv, "", known, NULL)) != -1) {
        if (letter == 'm' || letter == 'd')
            j->data = optarg;
        else if (letter == 'o')
            j->out = optarg;
        else if (letter == 's')
            j->o.seed = strtoull(optarg, NULL, 10);
        else if (letter == 'e')
            j->eval_split = optarg;
        else if (letter == 'c')
            j->columns = optarg;
        else if (letter == 'q')
            j->quiet = 1;
        else if (letter == 'h')
            exit(usage(stdout, 0));
        else if (letter < 1000)
            return usage(stderr, 2);
        else if (set_field(j, &fields[letter - 1000], optarg) != 0)
            return 2;
    }
    return j->data && j->out && optind == argc ? 0 : usage(stderr, 2);
}

static int complain(void)
{
    fflush(stdout);
    fprintf(stderr, "train: %s\n", rij_last_error());
    return 1;
}

static int evaluate(const job *j, const rij_model *model)
{
    bar b = BAR_INIT;
    rij_evaluate_options o = RIJ_EVALUATE_OPTIONS_INIT;
    rij_evaluation *e = NULL;
    rij_status status;

    o.split = j->eval_split;
    o.columns = j->columns;
    o.progress = j->quiet ? NULL : show_progress;
    o.user = &b;
    status = rij_evaluate(model, j->data, &o, &e);
    bar_end(&b);
    if (status != RIJ_OK)
        return complain();
    show_table(e);
    rij_evaluation_free(e);
    return 0;
}

int main(int argc, char **argv)
{
    const double start_s = seconds_now();
    job j = {.o = RIJ_TRAIN_OPTIONS_INIT, .columns = "native,jpeg75", .b = BAR_INIT};
    rij_model *model = NULL;
    rij_status status;
    int failed;

    if (read_options(argc, argv, &j) != 0)
        return 2;
    on_signals(ask_to_stop);
    j.o.progress = go_on;
    j.o.user = &j;
    status = rij_train(j.data, &j.o, &model);
    on_signals(SIG_DFL);
    bar_end(&j.b);
    if (status == RIJ_OK)
        status = rij_model_save(model, j.out);
    if (status == RIJ_OK && j.o.checkpoint)
        status = rij_checkpoint_remove(j.o.checkpoint);
    failed = status == RIJ_OK ? 0 : complain();
    if (!failed)
        printf("saved %s after %.0f s\n", j.out, seconds_now() - start_s);
    if (!failed && j.eval_split)
        failed = evaluate(&j, model);
    rij_model_free(model);
    return failed;
}
