/* predict.c: `realjudge predict`: a line or a record for every input, errors included.
 *
 *     inputs ──> crew: decode and judge ──> standard output, or the part of a shard
 *
 * With --out the inputs are sorted and numbered, so that every shard of a list means the
 * same files wherever it runs, and a run that was killed goes on where it was. */
#include "tool.h"
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct predict_job {
    common c;
    rij_open_options open;
    const char *model, *out, *shard, *explain;
    double examine, level;
    int jsonl, from_stdin, null, tolerant, nearest;
} predict_job;

/* A run: where inputs come from, where records go. */
typedef struct run {
    const predict_job *job;
    question q;
    inputs in;
    lines stream;
    int streams;                 /* inputs come by `stream`, as they are read */
    size_t shard, shards, taken; /* of in.path, from `done` on */
    size_t done, steps;          /* records there were, and those there will be */
    size_t delivered, failed;
    part p;
    teller t;
    double start_s, told_s;
} run;

/* ---- inputs ----------------------------------------------------------------------- */

static int read_inputs(run *r, int n, char **operand)
{
    int from_stdin = r->job->from_stdin, status = DONE;
    char *line;

    r->stream = (lines){.fd = STDIN_FILENO, .end = r->job->null ? 0 : '\n'};
    for (int i = 0; i < n && status == DONE; i++)
        if (strcmp(operand[i], "-") == 0)
            from_stdin = 1;
        else
            status = inputs_expand(&r->in, operand[i]);
    if (!n && !from_stdin) {
        say("predict: no INPUT");
        return USAGE;
    }
    r->streams = from_stdin && !r->in.n && !r->job->out;
    while (from_stdin && !r->streams && (line = lines_next(&r->stream, NULL))) {
        inputs_add(&r->in, line);
        free(line);
    }
    if (r->job->out) {
        inputs_leave_out(&r->in, r->job->out);
        inputs_sort(&r->in);
    }
    return status;
}

/* How many inputs of n there are for shard i of `shards`. */
static size_t share(size_t n, size_t i, size_t shards)
{
    return n > i ? (n - i - 1) / shards + 1 : 0;
}

static char *next(void *user, const atomic_int *stopped)
{
    run *r = user;
    size_t at;

    if (r->streams)
        return lines_next(&r->stream, stopped);
    at = r->shard + (r->done + r->taken) * r->shards;
    if (at >= r->in.n)
        return NULL;
    r->taken++;
    return need(strdup(r->in.path[at]));
}

/* ---- records ---------------------------------------------------------------------- */

static json_t *header_of(const run *r, const rij_model_hashes *h)
{
    const predict_job *j = r->job;
    json_t *header = need(json_object());
    char list[17];

    snprintf(list, sizeof list, "%016llx", (unsigned long long)inputs_hash(&r->in));
    json_object_set_new(header, "realjudge_part", json_integer(1));
    json_object_set_new(header, "tool", json_string(rij_version()));
    json_object_set_new(header, "model", json_string(h->model));
    json_object_set_new(header, "calibration", json_string(h->calibration));
    json_object_set_new(header, "list", json_string(list));
    json_object_set_new(header, "inputs", json_integer((json_int_t)r->in.n));
    json_object_set_new(header, "examine", number_json(j->examine));
    json_object_set_new(header, "explain", json_boolean(j->explain != NULL));
    json_object_set_new(header, "level", number_json(r->q.found));
    json_object_set_new(header, "nearest", json_integer(j->nearest));
    json_object_set_new(header, "crops", json_integer(j->open.crops));
    json_object_set_new(header, "precision", json_string(j->open.precision));
    json_object_set_new(header, "shard", json_integer((json_int_t)r->shard));
    json_object_set_new(header, "shards", json_integer((json_int_t)r->shards));
    json_object_set_new(header, "records", json_integer((json_int_t)r->steps));
    return header;
}

/* Open the part, if there is one; what it holds need not be done. */
static int open_part(run *r)
{
    rij_model_hashes h;
    rij_status status;
    json_t *header;
    int opened;

    r->steps = r->streams ? 0 : share(r->in.n, r->shard, r->shards);
    if (!r->job->out)
        return DONE;
    status = rij_model_hash(r->q.model, &h);
    if (status != RIJ_OK)
        return complain(status);
    header = header_of(r, &h);
    opened = part_open(&r->p, r->job->out, header);
    json_decref(header);
    r->done = r->p.done;
    r->failed = r->p.failed;
    r->steps -= r->done;
    if (opened == DONE && r->done && !r->job->c.quiet)
        say("%s: %zu records are there%s", r->job->out, r->done,
            r->p.complete ? ", it is complete" : ", going on");
    return opened;
}

static void work(void *user, size_t index, const char *path, result *made)
{
    run *r = user;

    judge_input(&r->q, r->shard + (r->done + index) * r->shards, path, made);
}

/* ---- messages --------------------------------------------------------------------- */

/* Where records scroll over the same terminal there is no bar; where there is none, a
 * line every half minute, and none at all for what is shorter. */
static void tick(void *user)
{
    run *r = user;
    const int live = isatty(STDERR_FILENO);
    const double now_s = seconds_now(), spent_s = now_s - r->start_s;
    rij_progress p = {.phase = "predict"};

    if (r->streams || !r->steps || (live && !r->job->out && isatty(STDOUT_FILENO)) ||
        now_s - r->told_s < (live ? 0.2 : r->t.b.every_s))
        return;
    p.step = (int64_t)r->delivered;
    p.steps = (int64_t)r->steps;
    p.images_s = (double)r->delivered / spent_s;
    p.eta_s = r->delivered ? (double)(r->steps - r->delivered) / p.images_s : 0;
    r->told_s = now_s;
    (void)tell(&p, &r->t);
}

static int deliver(void *user, size_t index, result *made)
{
    run *r = user;
    int status = DONE;

    (void)index;
    if (made->fatal) {
        bar_end(&r->t.b);
        say("%s", made->text);
        if (r->p.beside)
            say("%zu records are written; the same command goes on",
                r->done + r->delivered);
        return FATAL;
    }
    r->failed += (size_t)made->failed;
    r->delivered++;
    if (r->job->out) {
        status = part_write(&r->p, made->text);
    } else if (made->failed && !r->q.json) {
        bar_end(&r->t.b);
        say("%s", made->text);
    } else if (fputs(made->text, stdout) < 0) {
        status = FATAL; // main() says it
    }
    tick(r);
    return status;
}

/* ---- the run ---------------------------------------------------------------------- */

static int ended(run *r, int status)
{
    const size_t all = r->done + r->delivered;

    r->told_s = 0;
    if (r->t.b.open) // the bar's last word
        tick(r);
    bar_end(&r->t.b);
    if (status == DONE && stop_asked()) {
        complain(RIJ_E_CANCELLED);
        say(r->job->out ? "%zu records are written; the same command goes on"
                        : "%zu inputs were judged",
            all);
        return FATAL; // main() ends by the signal
    }
    if (status == DONE && r->job->out)
        status = part_finish(&r->p);
    if (status != DONE)
        return status;
    if (r->failed && !r->job->c.quiet)
        say("%zu of %zu could not be judged", r->failed, all);
    return r->failed && !r->job->tolerant ? PARTIAL : DONE;
}

static int judge_all(run *r, int threads)
{
    const crew c = {threads, next, work, deliver, tick, r};
    int status = open_part(r);

    if (status == DONE && r->p.complete)
        status = r->failed && !r->job->tolerant ? PARTIAL : DONE;
    else if (status == DONE)
        status = ended(r, r->streams || r->steps ? crew_run(&c) : DONE);
    part_close(&r->p);
    return status;
}

/* One thread an input, and what is left over within each. */
static int open_and_judge(run *r)
{
    const predict_job *j = r->job;
    const int all = j->open.threads ? j->open.threads : processors();
    const int few = !r->streams && r->in.n < (size_t)all;
    const int workers = few ? (r->in.n ? (int)r->in.n : 1) : all;
    rij_open_options o = j->open;
    rij_model *model = NULL;
    rij_status opened;
    int status;

    o.threads = all / workers;
    opened = rij_model_open(j->model, &o, &model);
    if (opened != RIJ_OK)
        return complain(opened);
    r->q = (question){
        model,          j->examine,         j->level > 0 ? j->level : j->examine,
        j->examine > 0, j->jsonl || j->out, j->open.isolate,
        j->explain,     j->nearest};
    setvbuf(stdout, NULL, _IOLBF, 0); // a reader at a pipe waits for each
    r->start_s = r->told_s = seconds_now();
    status = judge_all(r, workers);
    rij_model_free(model);
    return status;
}

/* The folder of maps, if it is not there. */
static int make_folder(const char *path)
{
    if (mkdir(path, 0777) == 0 || errno == EEXIST)
        return DONE;
    say("%s: %s", path, strerror(errno));
    return FATAL;
}

static int predict(void *job, int n, char **operand)
{
    run r = {.job = job, .shards = 1, .p = {.fd = -1}};
    int status = DONE;

    r.t = teller_make(r.job->c.quiet);
    if (!r.job->model || (r.job->shard && !r.job->out)) {
        say(r.job->model ? "--shard needs --out" : "predict: --model is missing");
        return USAGE;
    }
    if (r.job->shard)
        status = shard_read(r.job->shard, &r.shard, &r.shards);
    if (status == DONE)
        status = read_inputs(&r, n, operand);
    if (status == DONE && r.job->explain)
        status = make_folder(r.job->explain);
    if (status == DONE && !stop_asked())
        status = open_and_judge(&r);
    inputs_free(&r.in);
    lines_free(&r.stream);
    return status;
}

/* ---- the command ------------------------------------------------------------------ */

#define AT(field) offsetof(predict_job, field)
static const row rows[] = {
    {"model", PATH, AT(model), "FILE", 0, 0, "the model that judges"},
    {"jsonl", SWITCH, AT(jsonl), NULL, 0, 0,
     "a JSON record a line for every input, errors included"},
    {"out", PATH, AT(out), "FILE", 0, 0,
     "write the records there, behind a header: they grow in FILE.partial, which the "
     "same command continues, and get their name when all are there"},
    {"shard", WORD, AT(shard), "I/N", 0, 0,
     "judge every N-th input of the list, from number I on, 0/16 to 15/16 for instance; "
     "with --out the list is sorted, and has each path once"},
    {"from-stdin", SWITCH, AT(from_stdin), NULL, 0, 0,
     "read paths from standard input, one a line, as the input - does; they are judged "
     "as they come"},
    {"null", SWITCH, AT(null), NULL, 0, 0,
     "with that, paths end with a zero byte, as find -print0 writes them; also -0"},
    {"examine", NUMBER, AT(examine), "LEVEL", 0.001, 0.5,
     "answer real, generated or unsure, LEVEL being the share of photographs that may be "
     "called generated, such as 0.05; with the stability strip: seven times the time"},
    {"explain", FOLDER, AT(explain), "FOLDER", 0, 0,
     "say where the evidence lies, and paint it over each picture, as FOLDER/NUMBER.png"},
    {"level", NUMBER, AT(level), "A", 0.001, 0.5,
     "of --explain: share of photographs in which something may be found (as --examine, "
     "else 0.05)"},
    {"nearest", WHOLE, AT(nearest), "K", 1, 1024,
     "name the K photographs that the model's training kept out and kept (train "
     "--exemplars) whose traces are most similar, and how similar, up to 1; not what "
     "shows the same"},
    {"tolerant", SWITCH, AT(tolerant), NULL, 0, 0,
     "exit status 0 although some inputs could not be judged"},
    {"threads", WHOLE, AT(open.threads), "N", 0, 256,
     "inputs judged at the same time; 0: one per processor. Records do not depend on it"},
    {"device", WORD, AT(open.device), "cpu|ref|cuda:0", 0, 0, "where it is computed"},
    {"precision", CHOICE, AT(open.precision), "fp32|bf16|tf32", 0, 0, "of the network"},
    {"crops", WHOLE, AT(open.crops), "N", 1, 64,
     "most crops of an image that are judged"},
    ISOLATE_ROW(open.isolate),
};

static const predict_job initial = {
    .open = {sizeof(rij_open_options), "cpu", 0, "fp32", 64}};

const command command_predict = {
    "predict",
    "judge image files",
    "INPUT...",
    "Judges files and prints a line for each: the score, 0 for a photograph to 1 for a "
    "generated image, the verdict, and the path.\n\n"
    "An INPUT is a file, a folder with all below it (names that begin with a dot and "
    "linked folders left out), a pattern such as 'photos/*.jpg' where no file has that "
    "name, or -, standard input. What cannot be judged, because it is no image, is "
    "damaged or cannot be read, is told on standard error, and with --jsonl or --out by "
    "a record of its own.\n\n"
    "A record has index, path and status (RIJ_OK, or which error). With RIJ_OK follow "
    "verdict, score, margin, p_real, p_generated, classifier, proximity, softness, "
    "crops, width, height, as realjudge.h defines them, with --examine answer, alone, "
    "contradictions and strip, with --explain evidence, with --nearest nearest, a list "
    "of id and similarity; else message. Numbers that do not exist are null. Bytes of a "
    "path that are not UTF-8 are written as U+FFFD, and path_percent then holds the "
    "exact path, percent-encoded as in RFC 3986.\n\n"
    "With --out and --shard a long list is judged by many processes or machines, each "
    "killed and started again as it comes; realjudge-merge joins the parts.",
    "0: all inputs were judged. 1: some could not be. 2: the command line is not "
    "allowed. 3: the model cannot be opened, the output cannot be written, FILE belongs "
    "to another model or list, or what stopped one input would stop the others: no "
    "memory, no device, a calibration too small for the level, no exemplars. Records "
    "written before that stay.",
    "  realjudge predict --model judge.safetensors photo.jpg other.png\n"
    "  realjudge predict --model judge.safetensors --examine 0.05 photos/\n"
    "  find photos -name '*.jpg' -print0 |\n"
    "      realjudge predict --model judge.safetensors --jsonl -0 - > scores.jsonl\n"
    "  realjudge predict --model judge.safetensors --shard 3/16 --out 3.jsonl photos/\n",
    rows,
    COUNT(rows),
    &initial,
    sizeof initial,
    NULL,
    predict};
