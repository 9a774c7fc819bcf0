/* options.c: a command line against a command's table. What it sets is collected first
 * and applied after the configuration file, so that the order on the line does not
 * matter: the line wins. */
#include "tool.h"
#include <errno.h>
#include <getopt.h>
#include <math.h>

enum { MOST_ROWS = 128 };

#define AT(field) offsetof(common, field)
const row common_rows[COMMON_ROWS] = {
    {"isa", CHOICE, AT(isa), "avx512bf16|avx512|avx2|plain", 0, 0,
     "instruction set of the CPU's kernels, where this processor has it; else the best "
     "it has, as without this option"},
    {"config", PATH, AT(config), "FILE", 0, 0,
     "JSON object of options by their names without dashes, and \"inputs\"; what the "
     "command line says wins"},
    {"print-config", SWITCH, AT(print_config), NULL, 0, 0,
     "print all options as they would be used, as such a file, and end"},
    {"quiet", SWITCH, AT(quiet), NULL, 0, 0, "no progress"},
    {"help", SWITCH, AT(help), NULL, 0, 0, "print this, and end"},
};

const row *row_at(const command *c, int i)
{
    if (i < c->n)
        return &c->rows[i];
    return i - c->n < COMMON_ROWS ? &common_rows[i - c->n] : NULL;
}

/* ---- one field -------------------------------------------------------------------- */

static int among(const char *text, const char *choices)
{
    const size_t n = strlen(text);

    for (const char *c = choices; c; c = strchr(c, '|')) {
        c += *c == '|';
        if (strncmp(c, text, n) == 0 && (c[n] == '|' || c[n] == 0))
            return 1;
    }
    return 0;
}

/* Whether all of the text is a number of the row's kind and range. */
static int number_of(const row *o, const char *text, double *number)
{
    char *end = NULL;

    errno = 0;
    *number = strtod(text, &end);
    if (end == text || *end != 0 || errno != 0 || !isfinite(*number))
        return 0;
    if (o->kind == WHOLE && (*number != floor(*number) || fabs(*number) > 1e9))
        return 0;
    return (o->low == 0 && o->high == 0) || (*number >= o->low && *number <= o->high);
}

static int refuse_number(const row *o, const char *text, const char *where)
{
    const char *what = o->kind == WHOLE ? "a whole number" : "a number";

    if (o->low != 0 || o->high != 0)
        say("%s%s: '%s' is not %s in %g..%g", where, o->name, text, what, o->low,
            o->high);
    else
        say("%s%s: '%s' is not %s", where, o->name, text, what);
    return USAGE;
}

static int set_seed(uint64_t *to, const row *o, const char *text, const char *where)
{
    char *end = NULL;
    unsigned long long seed;

    errno = 0;
    seed = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != 0 || errno != 0) {
        say("%s%s: '%s' is not a whole number in 0..2^64-1", where, o->name, text);
        return USAGE;
    }
    *to = seed;
    return DONE;
}

int option_set(void *job, const row *o, const char *text, const char *where)
{
    void *at = (char *)job + o->at;
    double number;

    switch (o->kind) {
    case SWITCH:
        *(int *)at = strcmp(text, "0") != 0;
        return DONE;
    case WHOLE:
    case NUMBER:
        if (!number_of(o, text, &number))
            return refuse_number(o, text, where);
        if (o->kind == WHOLE)
            *(int *)at = (int)number;
        else
            *(double *)at = number;
        return DONE;
    case SEED:
        return set_seed(at, o, text, where);
    case CHOICE:
        if (!among(text, o->argument)) {
            say("%s%s: '%s' is none of %s", where, o->name, text, o->argument);
            return USAGE;
        }
        break;
    default:
        break;
    }
    *(const char **)at = text;
    return DONE;
}

/* ---- the command line ------------------------------------------------------------- */

typedef struct given {
    const row *option;
    const char *text;
} given;

/* What getopt_long() did not take: `letter` it returned, `word` it read last. */
static void refuse_option(const command *c, int letter, const char *word)
{
    const size_t n = strcspn(word, "=");
    int like = 0;

    for (int i = 0; row_at(c, i); i++)
        like += n > 2 && strncmp(row_at(c, i)->name, word + 2, n - 2) == 0;
    if (letter == ':')
        say("--%s needs an argument", row_at(c, optopt - 1000)->name);
    else if (optopt >= 1000)
        say("--%s takes no argument", row_at(c, optopt - 1000)->name);
    else if (optopt) // one letter of several: the word is still to come
        say("-%c: there is no such option", optopt);
    else if (like > 1)
        say("%s: several options begin so", word);
    else
        say("%s: there is no such option", word);
}

/* Returns how many options there are, or -1 when one is unknown. */
static int collect(const command *c, int argc, char **argv, given *list)
{
    struct option known[MOST_ROWS] = {{0}};
    int n = 0, letter;

    for (int i = 0; i + 1 < MOST_ROWS && row_at(c, i); i++) {
        const row *o = row_at(c, i);

        known[i] = (struct option){
            o->name, o->kind == SWITCH ? no_argument : required_argument, NULL, 1000 + i};
    }
    optind = 1;
    opterr = 0;
    while ((letter = getopt_long(argc, argv, ":0", known, NULL)) != -1) {
        if (letter == ':' || letter == '?') {
            refuse_option(c, letter, argv[optind - 1]);
            return -1;
        }
        if (letter == '0') // -0 as find and xargs have it
            for (int i = 0; row_at(c, i); i++)
                if (strcmp(row_at(c, i)->name, "null") == 0)
                    letter = 1000 + i;
        if (letter == '0') {
            say("-0: there is no such option");
            return -1;
        }
        list[n++] = (given){row_at(c, letter - 1000), optarg ? optarg : "1"};
    }
    return n;
}

static int apply(reading *r, const given *list, int n)
{
    int status = DONE;

    for (int i = 0; i < n && status == DONE; i++)
        if (strcmp(list[i].option->name, "config") == 0)
            status = config_read(r, list[i].text);
    for (int i = 0; i < n && status == DONE; i++)
        status = option_set(r->job, list[i].option, list[i].text, "--");
    return status;
}

int options_read(const command *c, int argc, char **argv, reading *r)
{
    given *list = need(calloc((size_t)argc + 1, sizeof *list));
    int n, status = USAGE;

    *r = (reading){.command = c, .job = need(malloc(c->size))};
    memcpy(r->job, c->initial, c->size);
    n = collect(c, argc, argv, list);
    if (n >= 0)
        status = apply(r, list, n);
    free(list);
    if (status == DONE && optind < argc) { // in place of those of the file
        r->n = argc - optind;
        free(r->operand);
        r->operand = need(calloc((size_t)r->n, sizeof *r->operand));
        memcpy(r->operand, argv + optind, (size_t)r->n * sizeof *r->operand);
    }
    if (status == DONE && r->n && !c->operands) {
        say("%s takes no '%s' without an option", c->name, r->operand[0]);
        status = USAGE;
    }
    if (status == USAGE)
        fprintf(stderr, "Try: realjudge %s --help\n", c->name);
    return status;
}

void options_free(reading *r)
{
    free(r->job);
    free(r->operand);
    json_decref(r->config);
    *r = (reading){0};
}
