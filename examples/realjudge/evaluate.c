/* evaluate.c: `realjudge evaluate` and `realjudge report`: how a model does on images
 * whose label is known, as tables, or as a page for people with the same for programs. */
#include "figures.h"
#include "tool.h"
#include <errno.h>

typedef struct evaluate_job {
    common c;
    rij_evaluate_options o;
    rij_open_options open;
    rij_report_options report;
    const char *model, *data, *tsv, *out;
    int no_audit;
} evaluate_job;

/* What is done with an evaluation; an exit status. */
typedef int (*use)(const evaluate_job *j, const rij_model *model, const rij_evaluation *e,
                   teller *t);

static int measure(evaluate_job *j, use use_it)
{
    teller t = teller_make(j->c.quiet);
    rij_evaluation *e = NULL;
    rij_model *model = NULL;
    rij_status status;
    int failed;

    if (!j->model || !j->data) {
        say("--%s is missing", j->model ? "data" : "model");
        return USAGE;
    }
    j->o.progress = tell;
    j->o.user = &t;
    status = rij_model_open(j->model, &j->open, &model);
    if (status == RIJ_OK)
        status = rij_evaluate(model, j->data, &j->o, &e);
    bar_end(&t.b);
    failed = status == RIJ_OK ? use_it(j, model, e, &t) : complain(status);
    if (failed == DONE && rij_evaluation_unusable(e) > 0) {
        say("%d images could not be used", rij_evaluation_unusable(e));
        failed = PARTIAL;
    }
    rij_evaluation_free(e);
    rij_model_free(model);
    return failed;
}

/* ---- evaluate --------------------------------------------------------------------- */

static int cannot_write(const char *path)
{
    say("%s: %s", path, errno ? strerror(errno) : "it could not be written");
    return FATAL;
}

static int show(const evaluate_job *j, const rij_model *model, const rij_evaluation *e,
                teller *t)
{
    FILE *file = NULL;

    (void)model, (void)t;
    if (j->tsv && strcmp(j->tsv, "-") != 0 && !(file = fopen(j->tsv, "we")))
        return cannot_write(j->tsv);
    if (j->tsv && !file) { // the table for programs alone
        file = need(fdopen(dup(STDOUT_FILENO), "w"));
        return write_tsv(e, file) == 0 ? DONE : cannot_write("standard output");
    }
    show_rows(e);
    show_answers(e, j->o.level, j->o.strip);
    show_sources(e);
    errno = 0;
    return !file || write_tsv(e, file) == 0 ? DONE : cannot_write(j->tsv);
}

static int evaluate(void *job, int n, char **operand)
{
    (void)n, (void)operand;
    return measure(job, show);
}

/* ---- report ----------------------------------------------------------------------- */

static int write_report(const evaluate_job *j, const rij_model *model,
                        const rij_evaluation *e, teller *t)
{
    rij_report_options o = j->report;
    rij_audit_options a = RIJ_AUDIT_OPTIONS_INIT;
    rij_audit_report *found = NULL;
    rij_status status = RIJ_OK;

    a.split = j->o.split;
    a.threads = j->open.threads;
    a.isolate = j->open.isolate;
    a.progress = tell;
    a.user = t;
    if (!j->no_audit)
        status = rij_audit(j->data, &a, &found);
    bar_end(&t->b);
    o.audit = found;
    if (status == RIJ_OK)
        status = rij_report_write(model, e, &o, j->out);
    rij_audit_report_free(found);
    if (status != RIJ_OK)
        return complain(status);
    if (!j->c.quiet)
        say("wrote %s.html, %s.json, %s.tsv", j->out, j->out, j->out);
    return DONE;
}

static int report(void *job, int n, char **operand)
{
    (void)n, (void)operand;
    if (!((evaluate_job *)job)->out) {
        say("report: --out is missing");
        return USAGE;
    }
    return measure(job, write_report);
}

/* ---- the commands ----------------------------------------------------------------- */

#define AT(field) offsetof(evaluate_job, field)
static const row evaluate_rows[] = {
#include "measured.def"
    {"tsv", PATH, AT(tsv), "FILE", 0, 0,
     "write all figures there, - where there is none; -: to standard output, alone"},
};
static const row report_rows[] = {
#include "measured.def"
    {"out", PATH, AT(out), "STEM", 0, 0, "write STEM.html, STEM.json, STEM.tsv"},
    {"title", WORD, AT(report.title), "TEXT", 0, 0, "of the page"},
    {"thumbnails", SWITCH, AT(report.thumbnails), NULL, 0, 0,
     "small pictures of the worst mistakes within the page"},
    {"worst", WHOLE, AT(report.worst), "N", 1, 200, "mistakes listed of each kind"},
    {"no-audit", SWITCH, AT(no_audit), NULL, 0, 0, "leave the audit of the data out"},
};

static const evaluate_job initial = {
    .o = {.size = sizeof(rij_evaluate_options),
          .columns = "native",
          .min_fakes = 40,
          .level = 0.05},
    .open = {sizeof(rij_open_options), "cpu", 0, "fp32", 64},
    .report = {.size = sizeof(rij_report_options), .worst = 20}};

static const char measured_status[] = "0: done with every image. 1: done, but some "
                                      "images could not be used. 2: the command "
                                      "line is not allowed. 3: it could not be done.";

const command command_evaluate = {
    "evaluate",
    "measure a model on images with labels",
    NULL,
    "Judges a data set and prints how well the model tells its images apart, by "
    "generator and by the way images were sent on, and how many photographs of each "
    "source it calls generated. docs/math.md defines the figures.",
    measured_status,
    "  realjudge evaluate --model judge.safetensors --data data.tsv --split test\n"
    "  realjudge evaluate --model judge.safetensors --data data.tsv --tsv - > test.tsv\n",
    evaluate_rows,
    COUNT(evaluate_rows),
    &initial,
    sizeof initial,
    NULL,
    evaluate};

const command command_report = {
    "report",
    "measure a model and write it down as a page",
    NULL,
    "Judges a data set, audits it, and writes what was found as one HTML page without "
    "scripts, with curves, intervals, false alarms and the worst mistakes, as JSON, and "
    "as a table with a line for each image.",
    measured_status,
    "  realjudge report --model judge.safetensors --data data.tsv --split test --out "
    "judged\n",
    report_rows,
    COUNT(report_rows),
    &initial,
    sizeof initial,
    NULL,
    report};
