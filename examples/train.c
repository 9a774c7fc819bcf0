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
enum kind { INT, NUMBER, TEXT, PATH, FLAG };
typedef struct field {
    const char *name;
    enum kind kind;
    size_t at;
    const char *argument, *help;
} field;
#define TRAIN_OPTION(kind, name, member, argument, help)                                 \
    {name, kind, offsetof(rij_train_options, member), argument, help},
static const field fields[] = {
#include "train.def"
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
    for (int i = 0; i < FIELDS; i++) {
        const char *words = fields[i].argument;

        words = words && strchr(words, '|') ? words : NULL;
        fprintf(out, "  --%-18s %s%s%s\n", fields[i].name, fields[i].help,
                words ? ": " : "", words ? words : "");
    }
    return status;
}

/* Returns 0, or 1 when the text is not a number. */
static int set_field(job *j, const field *f, const char *text)
{
    void *at = (char *)&j->o + f->at;
    char *end = NULL;

    if (f->kind == TEXT || f->kind == PATH) {
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
