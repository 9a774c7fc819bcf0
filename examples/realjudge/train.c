/* train.c: `realjudge train`: a model from images of one's own. Its options are those of
 * train.def, in the order of the library's struct. */
#include "figures.h"
#include "tool.h"

typedef struct train_job {
    common c;
    rij_train_options o;
    const char *data, *out, *eval_split, *columns;
} train_job;

/* After a training: how the model does on another split. The file is opened, so that
 * images are decoded as they were while it was trained. */
static int evaluate(const train_job *j)
{
    const rij_open_options open = {.size = sizeof open,
                                   .device = j->o.device,
                                   .threads = j->o.threads,
                                   .isolate = j->o.isolate};
    rij_evaluate_options o = RIJ_EVALUATE_OPTIONS_INIT;
    rij_model *model = NULL;
    rij_evaluation *e = NULL;
    teller t = teller_make(j->c.quiet);
    rij_status status;

    o.split = j->eval_split;
    o.columns = j->columns;
    o.seed = j->o.seed;
    o.progress = tell;
    o.user = &t;
    status = rij_model_open(j->out, &open, &model);
    if (status == RIJ_OK)
        status = rij_evaluate(model, j->data, &o, &e);
    bar_end(&t.b);
    rij_model_free(model);
    if (status != RIJ_OK) {
        complain(status);
        say("%s is saved, but was not judged", j->out);
        return PARTIAL;
    }
    show_table(e);
    rij_evaluation_free(e);
    return DONE;
}

static int train(void *job, int n, char **operand)
{
    train_job *j = job;
    const double start_s = seconds_now();
    teller t = teller_make(j->c.quiet);
    rij_model *model = NULL;
    rij_status status;
    int failed = DONE;

    (void)n, (void)operand;
    if (!j->data || !j->out) {
        say("train: --%s is missing", j->data ? "out" : "data");
        return USAGE;
    }
    j->o.progress = tell;
    j->o.user = &t;
    status = rij_train(j->data, &j->o, &model);
    bar_end(&t.b);
    if (status == RIJ_OK)
        status = rij_model_save(model, j->out);
    if (status == RIJ_OK && j->o.checkpoint)
        status = rij_checkpoint_remove(j->o.checkpoint);
    if (status != RIJ_OK)
        failed = complain(status);
    else if (!j->c.quiet)
        say("saved %s after %.0f s", j->out, seconds_now() - start_s);
    rij_model_free(model);
    return failed == DONE && j->eval_split ? evaluate(j) : failed;
}

/* Every default in its place; what is not allowed is refused before any work. */
static int complete(void *job)
{
    train_job *j = job;
    const rij_status status = rij_train_options_resolve(&j->o);

    return status == RIJ_OK ? DONE : complain(status);
}

#define AT(field) offsetof(train_job, field)
#define KIND_INT WHOLE
#define KIND_NUMBER NUMBER
#define KIND_TEXT WORD
#define KIND_PATH PATH
#define KIND_FLAG SWITCH
#define TRAIN_OPTION(kind, name, member, argument, help)                                 \
    {name, KIND_##kind, AT(o.member), argument, 0, 0, help},
static const row rows[] = {
    {"data", PATH, AT(data), "PATH", 0, 0,
     "what to learn from: a table (TSV) of paths and labels, or a folder with real/, "
     "photographs, and fake/GENERATOR/, generated images; for --one-class real/ alone"},
    {"out", PATH, AT(out), "FILE", 0, 0, "the model, written when training is done"},
    {"eval-split", WORD, AT(eval_split), "NAME", 0, 0,
     "judge this split of the table afterwards, by generator"},
    {"columns", WORD, AT(columns), "LIST", 0, 0, "how it is judged then"},
    {"seed", SEED, AT(o.seed), "N", 0, 0, "of every random choice"},
#include "train.def"
};

static const train_job initial = {.o = RIJ_TRAIN_OPTIONS_INIT,
                                  .columns = "native,jpeg75"};

const command command_train = {
    "train",
    "train a model on images of your own",
    NULL,
    "Trains a detector from scratch on photographs and generated images, or on "
    "photographs alone. The data are audited first: what would teach the label without "
    "a look at the pixels stops the training, unless it is allowed by name.\n\n"
    "Defaults stand in brackets; a number of -1 switches a term off where that makes "
    "sense. The header realjudge.h explains each option, docs/math.md the method.",
    "0: the model is saved. 1: it is saved, but could not be judged by --eval-split. 2: "
    "an option is not allowed. 3: there is no model.",
    "  realjudge train --data data.tsv --split train --out judge.safetensors\n"
    "  realjudge train --data data --one-class --out judge.safetensors\n"
    "  realjudge train --data data.tsv --out judge.safetensors --print-config > c.json\n"
    "  realjudge train --config c.json\n"
    "  realjudge train --data data --out judge.safetensors --checkpoint state "
    "--resume\n",
    rows,
    COUNT(rows),
    &initial,
    sizeof initial,
    complete,
    train};
