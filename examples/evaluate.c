/* evaluate.c: figures of a model on a data set, by generator and by column.
 *
 *     evaluate --model judge.safetensors --manifest data.tsv --split dev --tsv dev.tsv
 *
 * Prints a table and how many photographs of each source are called generated; --tsv
 * writes all figures, "-" where there is none; --report STEM a page with charts
 * (STEM.html), the same as JSON, and a line per image (STEM.tsv). docs/math.md defines
 * the figures. */
#include "figures.h"
#include "show.h"
#include <errno.h>
#include <getopt.h>
#include <stddef.h>
#include <stdlib.h>

typedef struct job {
    rij_evaluate_options o;
    rij_open_options open;
    rij_report_options report;
    const char *model, *data, *tsv, *stem;
    int quiet, audit;
} job;

static int usage(FILE *out, int status)
{
    fputs("evaluate --model MODEL  --manifest FILE | --data DIR  [options]\n\n"
          "  --split NAME      split of the manifest (all of it)\n"
          "  --pairs FILE      table of the reals that each generator is compared with:\n"
          "                    generator, real_sources, same_group between tabs\n"
          "  --holdout DIR     every file below it is a fake of generator holdout\n"
          "  --only LIST       generators to judge (all)\n"
          "  --columns LIST    native, aligned, jpegQ, blurS, noiseS, resizeF, crop,\n"
          "                    chain3, chain5 (native)\n"
          "  --tsv FILE        write all figures there; ap is at equal class prior\n"
          "  --report STEM     write STEM.html (a page with charts), .json, .tsv\n"
          "  --title TEXT      of the report\n"
          "  --thumbnails      small pictures of the worst mistakes in the report\n"
          "  --audit           audit the data too, for the report\n"
          "  --min-fakes N     fakes a generator needs to count in row mAP (40)\n"
          "  --seed N          of what is drawn: columns, intervals (0)\n"
          "  --threads N       0: one per processor\n"
          "  --device NAME     cpu, ref or cuda:0\n"
          "  --precision NAME  fp32, bf16 or tf32\n"
          "  --level A         of answers: photographs that may be called generated "
          "(0.05)\n"
          "  --strip           answers by the stability strip too: seven times the time\n"
          "  --quiet           no progress\n",
          out);
    return status;
}

/* Returns 0, or 1 when the text is not a whole number from 0. */
static int whole(const char *name, const char *text, unsigned long long most,
                 unsigned long long *out)
{
    char *end = NULL;

    errno = 0;
    if (text[0] >= '0' && text[0] <= '9') {
        *out = strtoull(text, &end, 10);
        if (*end == 0 && errno == 0 && *out <= most)
            return 0;
    }
    fprintf(stderr, "evaluate: --%s: '%s' is not a whole number in 0..%llu\n", name, text,
            most);
    return 1;
}

/* Options that are texts, and those that are switches, by the letters of read_options().
 */
static const struct {
    int letter;
    size_t at;
} texts[] =
    {
        {'m', offsetof(job, model)},       {'d', offsetof(job, data)},
        {'s', offsetof(job, o.split)},     {'p', offsetof(job, o.pairs)},
        {'o', offsetof(job, o.holdout)},   {'g', offsetof(job, o.only)},
        {'c', offsetof(job, o.columns)},   {'t', offsetof(job, tsv)},
        {'v', offsetof(job, open.device)}, {'b', offsetof(job, open.precision)},
        {'R', offsetof(job, stem)},        {'T', offsetof(job, report.title)},
},
  flags[] = {
      {'q', offsetof(job, quiet)},
      {'S', offsetof(job, o.strip)},
      {'N', offsetof(job, report.thumbnails)},
      {'A', offsetof(job, audit)},
};

static int read_options(int argc, char **argv, job *j)
{
    static const struct option known[] = {
        {"model", required_argument, NULL, 'm'},
        {"manifest", required_argument, NULL, 'd'},
        {"data", required_argument, NULL, 'd'},
        {"split", required_argument, NULL, 's'},
        {"pairs", required_argument, NULL, 'p'},
        {"holdout", required_argument, NULL, 'o'},
        {"only", required_argument, NULL, 'g'},
        {"columns", required_argument, NULL, 'c'},
        {"tsv", required_argument, NULL, 't'},
        {"report", required_argument, NULL, 'R'},
        {"title", required_argument, NULL, 'T'},
        {"thumbnails", no_argument, NULL, 'N'},
        {"audit", no_argument, NULL, 'A'},
        {"min-fakes", required_argument, NULL, 'f'},
        {"seed", required_argument, NULL, 'r'},
        {"threads", required_argument, NULL, 'n'},
        {"device", required_argument, NULL, 'v'},
        {"precision", required_argument, NULL, 'b'},
        {"level", required_argument, NULL, 'l'},
        {"strip", no_argument, NULL, 'S'},
        {"quiet", no_argument, NULL, 'q'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    unsigned long long number = 0;
    int letter, which;

    while ((letter = getopt_long(argc, argv, "", known, &which)) != -1) {
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
            if (texts[i].letter == letter)
                *(const char **)(void *)((char *)j + texts[i].at) = optarg;
        for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
            if (flags[i].letter == letter)
                *(int *)(void *)((char *)j + flags[i].at) = 1;
        if (letter == 'h')
            exit(usage(stdout, 0));
        else if (letter == '?')
            return usage(stderr, 2);
        else if (strchr("frn", letter) &&
                 whole(known[which].name, optarg, letter == 'r' ? UINT64_MAX : 1 << 30,
                       &number) != 0)
            return 2;
        if (letter == 'f')
            j->o.min_fakes = (int)number;
        else if (letter == 'r')
            j->o.seed = number;
        else if (letter == 'n')
            j->open.threads = (int)number;
        else if (letter == 'l') {
            char *end;

            j->o.level = strtod(optarg, &end);
            if (*end || !(j->o.level > 0))
                return usage(stderr, 2);
        }
    }
    return j->model && j->data && optind == argc ? 0 : usage(stderr, 2);
}

static int complain(const char *why)
{
    fflush(stdout);
    fprintf(stderr, "evaluate: %s\n", why);
    return 1;
}

/* ----------------------------------------------------------------------------------- */

/* The three files, with an audit of the same data if asked for. */
static int report(const job *j, const rij_model *model, const rij_evaluation *e)
{
    rij_report_options o = j->report;
    rij_audit_options a = RIJ_AUDIT_OPTIONS_INIT;
    rij_audit_report *found = NULL;
    rij_status status = RIJ_OK;

    a.split = j->o.split;
    a.threads = j->open.threads;
    a.progress = j->o.progress;
    a.user = j->o.user;
    if (j->audit)
        status = rij_audit(j->data, &a, &found);
    bar_end(j->o.user);
    o.audit = found;
    if (status == RIJ_OK)
        status = rij_report_write(model, e, &o, j->stem);
    rij_audit_report_free(found);
    return status == RIJ_OK ? 0 : complain(rij_last_error());
}

static int evaluate(const job *j, const rij_model *model)
{
    const double start_s = seconds_now();
    FILE *tsv = j->tsv ? fopen(j->tsv, "w") : NULL; // before minutes are spent
    rij_evaluation *e = NULL;
    rij_status status;
    int failed = 0;

    if (j->tsv && !tsv)
        return complain("the TSV cannot be written");
    status = rij_evaluate(model, j->data, &j->o, &e);
    bar_end(j->o.user);
    if (status != RIJ_OK) {
        if (tsv) {
            fclose(tsv);
            remove(j->tsv);
        }
        return complain(rij_last_error());
    }
    show_rows(e);
    show_answers(e, j->o.level, j->o.strip);
    show_sources(e);
    printf("\n%d images could not be used; %.0f s\n", rij_evaluation_unusable(e),
           seconds_now() - start_s);
    if (tsv && write_tsv(e, tsv) != 0)
        failed = complain("the TSV could not be written");
    if (j->stem && report(j, model, e) != 0)
        failed = 1;
    rij_evaluation_free(e);
    return failed;
}

int main(int argc, char **argv)
{
    bar b = BAR_INIT;
    job j = {.o = RIJ_EVALUATE_OPTIONS_INIT,
             .open = RIJ_OPEN_OPTIONS_INIT,
             .report = RIJ_REPORT_OPTIONS_INIT};
    rij_model *model = NULL;
    int failed;

    if (read_options(argc, argv, &j) != 0)
        return 2;
    j.o.progress = j.quiet ? NULL : show_progress;
    j.o.user = &b;
    if (rij_model_open(j.model, &j.open, &model) != RIJ_OK)
        return complain(rij_last_error());
    failed = evaluate(&j, model);
    rij_model_free(model);
    return failed;
}
