/* assertions.c: what must hold of the kernels' machine code. A line of the file is
 *
 *     regex[@sm_80]   expression
 *
 * where the (extended) regex is of the whole short name, or of what is before its <, and
 * the expression has numbers, columns, + - * /, comparisons, not, and, or, parentheses,
 * and the names of bounds (bound_a100 == tensor). A column that ends in _a100 is of the
 * machine code for sm_80, one in _h100 of that for sm_90; the line is for those kernels
 * only. A # begins a comment. */
#include "cubinfo.h"
#include <ctype.h>
#include <errno.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

/* An expression being evaluated on a row. */
typedef struct evaluation {
    const char *at;
    const row *r;
    const char *wrong; /* what is wrong with the expression, or NULL */
    char near[32];     /* and where */
    char used[512];    /* "spill=35 HMMA=16": the columns met */
    bool needs_launch;
    int arch; /* what the suffixes say: 80, 90; 0: none; -1: both */
} evaluation;

static double either(evaluation *e);

static void wrong(evaluation *e, const char *what)
{
    if (!e->wrong) {
        e->wrong = what;
        snprintf(e->near, sizeof e->near, "%s", e->at);
    }
}

static void skip_spaces(evaluation *e)
{
    while (isspace((unsigned char)*e->at))
        e->at++;
}

/* Go past a sign or a word, if it is next. */
static bool take(evaluation *e, const char *token)
{
    const size_t n = strlen(token);

    skip_spaces(e);
    if (strncmp(e->at, token, n) != 0 ||
        (isalpha((unsigned char)*token) &&
         (isalnum((unsigned char)e->at[n]) || e->at[n] == '_')))
        return false;
    e->at += n;
    return true;
}

static double column(evaluation *e, const char *name)
{
    const size_t length = strlen(name), used = strlen(e->used);
    double value = 0;
    enum column kind;

    for (int b = 0; b < BOUNDS; b++)
        if (strcmp(name, bound_names[b]) == 0 && strcmp(name, "shared") != 0)
            return b;
    kind = row_value(e->r, name, &value);
    if (kind == COLUMN_NONE)
        return wrong(e, "no such column"), 0;
    for (int arch = 80; arch <= 90; arch += 10)
        if (length > 5 && strcmp(name + length - 5, card_of(arch)->suffix) == 0)
            e->arch = e->arch && e->arch != arch ? -1 : arch;
    e->needs_launch |= kind == COLUMN_LAUNCH;
    if (strncmp(name, "bound", 5) == 0)
        snprintf(e->used + used, sizeof e->used - used, " %s=%s", name,
                 bound_names[(int)value]);
    else
        snprintf(e->used + used, sizeof e->used - used, " %s=%.4g", name, value);
    return value;
}

static double operand(evaluation *e)
{
    char name[48];
    char *end;
    double value;
    size_t n = 0;

    if (take(e, "-"))
        return -operand(e);
    if (take(e, "(")) {
        value = either(e);
        if (!take(e, ")"))
            wrong(e, "a ) is missing");
        return value;
    }
    if (isdigit((unsigned char)*e->at)) {
        value = strtod(e->at, &end);
        e->at = end;
        return value;
    }
    while ((isalnum((unsigned char)e->at[n]) || e->at[n] == '_') && n + 1 < sizeof name) {
        name[n] = e->at[n];
        n++;
    }
    name[n] = '\0';
    if (n == 0)
        return wrong(e, "a number or a column is missing"), 0;
    value = column(e, name);
    e->at += e->wrong ? 0 : n;
    return value;
}

static double product(evaluation *e)
{
    double value = operand(e);

    for (;;) {
        if (take(e, "*"))
            value *= operand(e);
        else if (take(e, "/"))
            value /= operand(e);
        else
            return value;
    }
}

static double sum(evaluation *e)
{
    double value = product(e);

    for (;;) {
        if (take(e, "+"))
            value += product(e);
        else if (take(e, "-"))
            value -= product(e);
        else
            return value;
    }
}

static double comparison(evaluation *e)
{
    const double a = sum(e);

    if (take(e, "=="))
        return a == sum(e);
    if (take(e, "!="))
        return a != sum(e);
    if (take(e, "<="))
        return a <= sum(e);
    if (take(e, ">="))
        return a >= sum(e);
    if (take(e, "<"))
        return a < sum(e);
    if (take(e, ">"))
        return a > sum(e);
    return a;
}

static double negation(evaluation *e)
{
    return take(e, "not") ? negation(e) == 0 : comparison(e);
}

/* Both sides are evaluated, so that `used` and `arch` do not depend on the numbers. */
static double both(evaluation *e)
{
    double value = negation(e);

    while (take(e, "and"))
        value = (negation(e) != 0) & (value != 0);
    return value;
}

static double either(evaluation *e)
{
    double value = both(e);

    while (take(e, "or"))
        value = (both(e) != 0) | (value != 0);
    return value;
}

static evaluation evaluate(const char *expression, const row *r, bool *holds)
{
    evaluation e = {.at = expression, .r = r};

    *holds = either(&e) != 0;
    skip_spaces(&e);
    if (*e.at)
        wrong(&e, "not understood");
    if (e.arch < 0)
        wrong(&e, "two cards in one line");
    return e;
}

/* A line, cut into its parts. */
typedef struct assertion {
    const char *path;
    int line, arch; /* 0: any architecture */
    const char *expression;
    regex_t name;
} assertion;

static void complain(const assertion *a, FILE *out, const char *what, const char *detail)
{
    fprintf(out, "%s:%d: %s%s%s\n", a->path, a->line, what, *detail ? ": " : "", detail);
}

/* False: the line is damaged, which is said. */
static bool parse(char *line, assertion *a, FILE *out)
{
    char pattern[512], *at;
    size_t n = strcspn(line, " \t");
    int end = 0;

    a->expression = line + n + strspn(line + n, " \t");
    line[n] = '\0';
    a->arch = 0;
    at = strrchr(line, '@');
    if (at) {
        if (sscanf(at, "@sm_%d%n", &a->arch, &end) != 1 || at[end])
            return complain(a, out, "not an architecture", at), false;
        *at = '\0';
    }
    n = (size_t)snprintf(pattern, sizeof pattern, "^(%s)$", line);
    if (n >= sizeof pattern || regcomp(&a->name, pattern, REG_EXTENDED | REG_NOSUB) != 0)
        return complain(a, out, "not a regular expression", line), false;
    if (!*a->expression) {
        regfree(&a->name);
        return complain(a, out, "no expression", ""), false;
    }
    return true;
}

static bool matches(const assertion *a, const kernel *k)
{
    char base[KERNEL_NAME];

    snprintf(base, sizeof base, "%.*s", (int)strcspn(k->name, "<"), k->name);
    return (a->arch == 0 || a->arch == k->arch) &&
           (regexec(&a->name, k->name, 0, NULL, 0) == 0 ||
            regexec(&a->name, base, 0, NULL, 0) == 0);
}

/* One row held against a line. */
typedef struct verdict {
    bool applies; /* the line is for this row's architecture */
    bool unasked; /* it asks for what only a log tells, and there is none */
    bool broken;  /* the line itself is wrong */
    bool fails;
} verdict;

static verdict judge_row(const assertion *a, const row *r, bool logged, FILE *out)
{
    bool holds;
    const evaluation e = evaluate(a->expression, r, &holds);
    verdict v = {.broken = e.wrong != NULL,
                 .applies = e.arch == 0 || e.arch == r->k->arch,
                 .unasked = e.needs_launch && !logged};

    if (v.broken) {
        fprintf(out, "%s:%d: %s: '%s'\n", a->path, a->line, e.wrong, e.near);
        return v;
    }
    v.fails = v.applies && !v.unasked && (!holds || (e.needs_launch && !r->l));
    if (!v.fails)
        return v;
    fprintf(out, "%s:%d: %s sm_%d", a->path, a->line, r->k->name, r->k->arch);
    if (e.needs_launch && !r->l) {
        fprintf(out, ": not in the log of launches\n");
        return v;
    }
    if (r->l)
        fprintf(out, ", %.0f blocks of %d", r->l->grid_blocks, r->threads);
    fprintf(out, ": does not hold: %s (%s)\n", a->expression, *e.used ? e.used + 1 : "");
    return v;
}

/* Returns whether a line holds of all it matches, and that it matches any. */
static bool check(const assertion *a, const rows *all, bool logged, FILE *out,
                  bool *unasked)
{
    const kernel *failed = NULL;
    bool any = false;

    for (size_t i = 0; i < all->n; i++) {
        verdict v;

        // a kernel's launches follow each other; one complaint is enough
        if (all->r[i].k == failed || !matches(a, all->r[i].k))
            continue;
        v = judge_row(a, &all->r[i], logged, out);
        if (v.broken)
            return false;
        if (v.fails)
            failed = all->r[i].k;
        any |= v.applies;
        *unasked |= v.applies && v.unasked;
    }
    if (!any)
        complain(a, out, "no kernel matches", a->expression);
    return any && !failed;
}

static int check_lines(FILE *f, assertion *a, const rows *all, bool logged, FILE *out)
{
    char *line = NULL;
    size_t room = 0;
    int held = 0, bad = 0, unasked = 0;

    for (a->line = 1; getline(&line, &room, f) > 0; a->line++) {
        char *text = line + strspn(line, " \t");
        size_t n = strcspn(text, "#\r\n");
        bool skips = false;

        while (n && isspace((unsigned char)text[n - 1]))
            n--;
        text[n] = '\0';
        if (n == 0)
            continue;
        if (!parse(text, a, out)) {
            bad++;
            continue;
        }
        if (!check(a, all, logged, out, &skips))
            bad++;
        else if (skips)
            unasked++;
        else
            held++;
        regfree(&a->name);
    }
    free(line);
    fprintf(out, "%s: %d assertions hold, %d do not", a->path, held, bad);
    if (unasked)
        fprintf(out, ", %d were not asked for want of a log of launches", unasked);
    fprintf(out, "\n");
    return bad;
}

int assertions_check(const char *path, const rows *all, bool logged, FILE *out)
{
    assertion a = {.path = path};
    FILE *f = fopen(path, "r");
    int bad;

    if (!f) {
        fprintf(stderr, "cubinfo: %s: %s\n", path, strerror(errno));
        return 1;
    }
    bad = check_lines(f, &a, all, logged, out);
    fclose(f);
    return bad;
}
