/* manual.c: --help and manual pages, made of the commands' tables. */
#include "tool.h"

enum { WIDTH = 80, INDENT = 26 };

static const char about[] =
    "realjudge tells photographs from generated images. It trains detectors from scratch "
    "on images of yours, judges files with them, and measures how well they do. A "
    "verdict is evidence, not proof.";
static const char statuses[] =
    "0: all was done. 1: done, but not for every input (each command says what that "
    "means). 2: the command line or a configuration file is not allowed. 3: it could not "
    "be done. A program that SIGINT or SIGTERM stopped ends by that signal, after it has "
    "said how far it came.";

/* ---- text ------------------------------------------------------------------------- */

void fill(FILE *out, const char *text, int indent, int width)
{
    int column = indent;

    while (*text) {
        const int n = (int)strcspn(text, " \n");

        if (n == 0 && *text == '\n') { // an empty line
            fprintf(out, "\n\n%*s", indent, "");
            column = indent;
        } else if (column > indent && column + 1 + n > width) {
            fprintf(out, "\n%*s%.*s", indent, "", n, text);
            column = indent + n;
        } else {
            fprintf(out, "%s%.*s", column > indent ? " " : "", n, text);
            column += n + (column > indent);
        }
        text += n;
        text += strspn(text, n == 0 ? "\n" : " ");
    }
    fputc('\n', out);
}

/* What an option is when it is not given; "" where that goes without saying. */
static void usual_of(const void *job, const row *o, char *text, size_t size)
{
    json_t *value = option_value(job, o);
    char *shown = NULL;

    text[0] = 0;
    if (o->kind == SWITCH || json_is_null(value) ||
        (json_is_number(value) && json_number_value(value) == 0))
        goto done;
    if (json_is_string(value) && strcmp(json_string_value(value), "0") == 0)
        goto done;
    shown = json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
    if (json_is_string(value))
        snprintf(text, size, " (%s)", json_string_value(value));
    else if (json_is_real(value))
        snprintf(text, size, " (%g)", json_real_value(value));
    else if (shown)
        snprintf(text, size, " (%s)", shown);
done:
    free(shown);
    json_decref(value);
}

/* A job with every default in its place, as far as it can be known. */
static void *usual_job(const command *c)
{
    void *job = need(malloc(c->size)), *full = need(malloc(c->size));

    memcpy(job, c->initial, c->size);
    memcpy(full, c->initial, c->size);
    if (c->complete && c->complete(full) == DONE)
        memcpy(job, full, c->size);
    free(full);
    return job;
}

/* ---- --help ----------------------------------------------------------------------- */

void help_all(FILE *out)
{
    fputs("usage: realjudge COMMAND [OPTION]... [INPUT]...\n\n", out);
    fill(out, about, 0, WIDTH);
    fputs("\ncommands:\n", out);
    for (int i = 0; commands[i]; i++)
        fprintf(out, "  %-10s %s\n", commands[i]->name, commands[i]->summary);
    fputs("\n`realjudge COMMAND --help` has a command's options.\n"
          "`realjudge --version`, `--man [COMMAND]`, `--completion` print what they "
          "say.\n\nexit status:\n  ",
          out);
    fill(out, statuses, 2, WIDTH);
}

void help_print(const command *c, FILE *out)
{
    void *job = usual_job(c);

    fprintf(out, "usage: realjudge %s [OPTION]...%s%s\n\n", c->name,
            c->operands ? " " : "", c->operands ? c->operands : "");
    fill(out, c->description, 0, WIDTH);
    fputs("\noptions:\n", out);
    for (int i = 0; row_at(c, i); i++) {
        const row *o = row_at(c, i);
        char left[96], text[512], usual[128];
        const int n = snprintf(left, sizeof left, "  --%s%s%s", o->name,
                               o->argument ? " " : "", o->argument ? o->argument : "");

        usual_of(job, o, usual, sizeof usual);
        snprintf(text, sizeof text, "%s%s", o->help, usual);
        fprintf(out, "%s", left);
        if (n + 1 > INDENT)
            fprintf(out, "\n%*s", INDENT, "");
        else
            fprintf(out, "%*s", INDENT - n, "");
        fill(out, text, INDENT, WIDTH);
    }
    fputs("\nexit status:\n  ", out);
    fill(out, c->status, 2, WIDTH);
    fprintf(out, "\nexamples:\n%s", c->examples);
    free(job);
}

/* ---- man -------------------------------------------------------------------------- */

/* Text as roff takes it; each line stays a line. */
static void roff(FILE *out, const char *text)
{
    for (const char *c = text; *c; c++) {
        if ((c == text || c[-1] == '\n') && (*c == '.' || *c == '\''))
            fputs("\\&", out);
        if (*c == '\\')
            fputs("\\e", out);
        else if (*c == '-')
            fputs("\\-", out);
        else
            fputc(*c, out);
    }
}

static void paragraphs(FILE *out, const char *text)
{
    for (const char *c = text; *c;) {
        const char *end = strstr(c, "\n\n");
        const size_t n = end ? (size_t)(end - c) : strlen(c);
        char *one = need(strndup(c, n));

        roff(out, one);
        free(one);
        fputs(end ? "\n.PP\n" : "\n", out);
        c += n + (end ? 2 : 0);
    }
}

static void head(FILE *out, const char *name, const char *summary)
{
    fputs(".TH ", out);
    for (const char *c = name; *c; c++)
        fputc(*c >= 'a' && *c <= 'z' ? *c - 32 : *c, out);
    fprintf(out, " 1 \"\" \"realjudge %s\" \"User Commands\"\n.SH NAME\n", rij_version());
    roff(out, name);
    fputs(" \\- ", out);
    roff(out, summary);
    fputs("\n.SH SYNOPSIS\n", out);
}

static void man_all(FILE *out)
{
    head(out, "realjudge", "tell photographs from generated images");
    fputs(".B realjudge\n.I COMMAND\n[\\fIOPTION\\fR]... [\\fIINPUT\\fR]...\n"
          ".SH DESCRIPTION\n",
          out);
    paragraphs(out, about);
    fputs(".SH COMMANDS\n", out);
    for (int i = 0; commands[i]; i++) {
        fprintf(out, ".TP\n.BR realjudge\\-%s (1)\n", commands[i]->name);
        paragraphs(out, commands[i]->summary);
    }
    fputs(".SH OPTIONS\n", out);
    for (const char *const *o =
             (const char *const[]){"--version", "Print the version.", "--help",
                                   "List the commands.", "--man [COMMAND]",
                                   "Print this page, or a command's.", "--completion",
                                   "Print completion for bash.", NULL};
         *o; o += 2) {
        fputs(".TP\n.B ", out);
        paragraphs(out, o[0]);
        paragraphs(out, o[1]);
    }
    fputs(".SH EXIT STATUS\n", out);
    paragraphs(out, statuses);
    fputs(".SH SEE ALSO\n", out);
    for (int i = 0; commands[i]; i++)
        fprintf(out, ".BR realjudge\\-%s (1)%s\n", commands[i]->name,
                commands[i + 1] ? "," : "");
}

static void man_options(const command *c, FILE *out)
{
    void *job = usual_job(c);

    for (int i = 0; row_at(c, i); i++) {
        const row *o = row_at(c, i);
        char text[640], usual[128];

        fputs(".TP\n\\fB", out);
        roff(out, "--");
        roff(out, o->name);
        fputs("\\fR", out);
        if (o->argument) {
            fputs(" \\fI", out);
            roff(out, o->argument);
            fputs("\\fR", out);
        }
        usual_of(job, o, usual, sizeof usual);
        snprintf(text, sizeof text, "%s%s", o->help, usual);
        fputc('\n', out);
        paragraphs(out, text);
    }
    free(job);
}

void man_print(const command *c, FILE *out)
{
    char name[32];

    if (!c) {
        man_all(out);
        return;
    }
    snprintf(name, sizeof name, "realjudge-%s", c->name);
    head(out, name, c->summary);
    fputs(".B realjudge ", out);
    roff(out, c->name);
    fputs("\n[\\fIOPTION\\fR]...\n", out);
    if (c->operands) {
        fputs(".I ", out);
        paragraphs(out, c->operands);
    }
    fputs(".SH DESCRIPTION\n", out);
    paragraphs(out, c->description);
    fputs(".SH OPTIONS\n", out);
    man_options(c, out);
    fputs(".SH EXIT STATUS\n", out);
    paragraphs(out, c->status);
    fputs(".SH EXAMPLES\n.nf\n", out);
    roff(out, c->examples);
    fputs(".fi\n.SH SEE ALSO\n.BR realjudge (1)\n", out);
}
