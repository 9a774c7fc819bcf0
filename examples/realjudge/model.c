/* model.c: `realjudge model` and `realjudge calibrate`: what a model file is, and the
 * same judge resting its answers on other photographs. */
#include "tool.h"

/* ---- model ------------------------------------------------------------------------ */

typedef struct model_job {
    common c;
    int json;
    const char *onnx;
} model_job;

/* A description has lines of a word and what it says. */
static json_t *description_json(const char *text)
{
    json_t *object = json_object();

    while (*text) {
        const size_t n = strcspn(text, "\n"), word = strcspn(text, " \n");
        const size_t skip = word + strspn(text + word, " ");
        char *key = need(strndup(text, word));
        char *value = need(strndup(text + skip, n > skip ? n - skip : 0));

        json_object_set_new(object, key, text_json(value));
        free(key);
        free(value);
        text += n + (text[n] == '\n');
    }
    return object;
}

static json_t *record_of(const char *path, rij_status status)
{
    json_t *record = need(json_object());

    path_json(record, "path", path);
    json_object_set_new(record, "status", json_string(rij_status_name(status)));
    return record;
}

/* Frees it. */
static void print_record(json_t *record)
{
    char *line = json_line(record);

    fputs(line, stdout);
    free(line);
}

static void print_model(const char *path, const rij_model_hashes *h, const char *text,
                        int json)
{
    json_t *record;

    if (!json) {
        printf("%s\nhash        %s\n", path, h->model);
        printf("            calibration %s\n%s", h->calibration[0] ? h->calibration : "-",
               text);
        return;
    }
    record = record_of(path, RIJ_OK);
    json_object_set_new(record, "model", json_string(h->model));
    json_object_set_new(record, "calibration", json_string(h->calibration));
    json_object_set_new(record, "card", description_json(text));
    print_record(record);
}

static void print_failure(const char *path, rij_status status, int json)
{
    json_t *record;

    if (!json) {
        complain(status);
        return;
    }
    record = record_of(path, status);
    json_object_set_new(record, "message", text_json(rij_last_error()));
    print_record(record);
}

static int export_onnx(const model_job *j, const char *path)
{
    rij_model *model = NULL;
    rij_status status = rij_model_open(path, NULL, &model);

    if (status == RIJ_OK)
        status = rij_model_export_onnx(model, NULL, j->onnx);
    rij_model_free(model);
    if (status != RIJ_OK)
        return complain(status);
    if (!j->c.quiet)
        say("wrote %s", j->onnx);
    return DONE;
}

/* Opening replays the self-test, so a file that is described also judges. */
static int describe(const char *path, int json)
{
    rij_model *model = NULL;
    rij_model_hashes h;
    rij_status status = rij_model_open(path, NULL, &model);
    char *text;
    size_t size;

    if (status == RIJ_OK)
        status = rij_model_hash(model, &h);
    if (status != RIJ_OK) {
        print_failure(path, status, json);
        rij_model_free(model);
        return 1;
    }
    size = rij_model_describe(model, NULL, 0) + 1;
    text = need(malloc(size));
    rij_model_describe(model, text, size);
    print_model(path, &h, text, json);
    free(text);
    rij_model_free(model);
    return 0;
}

static int model(void *job, int n, char **operand)
{
    const model_job *j = job;
    int failed = 0;

    if (!n || (j->onnx && n > 1)) {
        say(n ? "model: --onnx takes one MODEL" : "model: no MODEL");
        return USAGE;
    }
    if (j->onnx)
        return export_onnx(j, operand[0]);
    for (int i = 0; i < n && !stop_asked(); i++)
        failed += describe(operand[i], j->json);
    return failed == 0 ? DONE : failed < n ? PARTIAL : FATAL;
}

static const row model_rows[] = {
    {"json", SWITCH, offsetof(model_job, json), NULL, 0, 0, "a JSON record a line"},
    {"onnx", PATH, offsetof(model_job, onnx), "FILE", 0, 0,
     "instead write the one MODEL there for ONNX Runtime: from an image's pixels to its "
     "score"},
};

static const model_job model_initial = {.json = 0};

const command command_model = {
    "model",
    "describe model files",
    "MODEL...",
    "Opens model files, which checks every byte and judges the image of the self-test "
    "again, and prints what each is: hash, network, decision, calibration, what it was "
    "trained on and with which options, figures, and what it is not for.",
    "0: all are sound. 1: some are not. 2: the command line is not allowed. 3: none is, "
    "or FILE cannot be written.",
    "  realjudge model judge.safetensors\n"
    "  realjudge model --onnx judge.onnx judge.safetensors\n",
    model_rows,
    COUNT(model_rows),
    &model_initial,
    sizeof model_initial,
    NULL,
    model};

/* ---- calibrate -------------------------------------------------------------------- */

typedef struct calibrate_job {
    common c;
    rij_calibrate_options o;
    rij_open_options open;
    const char *model, *data, *out;
} calibrate_job;

static int calibrate(void *job, int n, char **operand)
{
    calibrate_job *j = job;
    teller t = teller_make(j->c.quiet);
    rij_model *m = NULL;
    rij_status status;

    (void)n, (void)operand;
    if (!j->model || !j->data || !j->out) {
        say("calibrate: --%s is missing", !j->model  ? "model"
                                          : !j->data ? "data"
                                                     : "out");
        return USAGE;
    }
    j->o.progress = tell;
    j->o.user = &t;
    status = rij_model_open(j->model, &j->open, &m);
    if (status == RIJ_OK)
        status = rij_calibrate(m, j->data, &j->o);
    bar_end(&t.b);
    if (status == RIJ_OK)
        status = rij_model_save(m, j->out);
    rij_model_free(m);
    if (status != RIJ_OK)
        return complain(status);
    if (!j->c.quiet)
        say("saved %s", j->out);
    return DONE;
}

#define AT(field) offsetof(calibrate_job, field)
static const row calibrate_rows[] = {
    {"model", PATH, AT(model), "FILE", 0, 0, "the model"},
    {"data", PATH, AT(data), "PATH", 0, 0,
     "photographs, and generated images if there are any, that did not train it: a "
     "table (TSV) or a folder with real/, photographs, and perhaps fake/GENERATOR/"},
    {"split", WORD, AT(o.split), "NAME", 0, 0, "split of the table (all of it)"},
    {"out", PATH, AT(out), "FILE", 0, 0, "the calibrated model; may be the same file"},
    {"threads", WHOLE, AT(open.threads), "N", 0, 256, "0: one per processor"},
    {"device", WORD, AT(open.device), "cpu|ref|cuda:0", 0, 0, "where it is computed"},
    ISOLATE_ROW(open.isolate),
};

static const calibrate_job calibrate_initial = {
    .o = RIJ_CALIBRATE_OPTIONS_INIT,
    .open = {sizeof(rij_open_options), "cpu", 0, "fp32", 64}};

const command command_calibrate = {
    "calibrate",
    "rest a model's answers on your own photographs",
    NULL,
    "Scores stay as they are; the answers of `predict --examine` and `--explain` then "
    "keep their promise for photographs like those given. At least 19 independent ones "
    "are needed for answers at level 0.05.",
    "0: the model is saved. 2: the command line is not allowed. 3: it could not be done.",
    "  realjudge calibrate --model judge.safetensors --data mine --out "
    "mine.safetensors\n",
    calibrate_rows,
    COUNT(calibrate_rows),
    &calibrate_initial,
    sizeof calibrate_initial,
    NULL,
    calibrate};
