/* completion.c: what bash offers behind `realjudge`, made of the commands' tables. */
#include "tool.h"

/* As lines, so that a name with spaces stays one. */
#define OFFER(words) "mapfile -t COMPREPLY < <(compgen " words " -- \"$cur\")"

/* What may follow an option: words, files, folders, or nothing that can be known. */
static void argument_of(const row *o, FILE *out)
{
    fprintf(out, "        --%s) ", o->name);
    if (o->kind == FOLDER) {
        fputs(OFFER("-d"), out);
    } else if (o->kind == PATH) {
        fputs(OFFER("-f"), out);
    } else if (strchr(o->argument, '|')) {
        fputs("mapfile -t COMPREPLY < <(compgen -W '", out);
        for (const char *c = o->argument; *c; c++)
            fputc(*c == '|' ? ' ' : *c, out);
        fputs("' -- \"$cur\")", out);
    } else {
        fputs("COMPREPLY=()", out);
    }
    fputs("; return ;;\n", out);
}

static void completion_of(const command *c, FILE *out)
{
    fprintf(out, "    %s)\n        case $prev in\n", c->name);
    for (int i = 0; row_at(c, i); i++)
        if (row_at(c, i)->argument)
            argument_of(row_at(c, i), out);
    fputs("        esac\n        words='", out);
    for (int i = 0; row_at(c, i); i++)
        fprintf(out, "%s--%s", i ? " " : "", row_at(c, i)->name);
    fputs("' ;;\n", out);
}

void completion_print(FILE *out)
{
    fputs("# bash completion for realjudge, printed by `realjudge --completion`\n"
          "_realjudge()\n{\n"
          "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} "
          "words\n"
          "    local commands='",
          out);
    for (int i = 0; commands[i]; i++)
        fprintf(out, "%s%s", i ? " " : "", commands[i]->name);
    fputs("'\n    if [ \"$COMP_CWORD\" -eq 1 ]; then\n        ", out);
    fputs(OFFER("-W \"$commands --version --help --man --completion\""), out);
    fputs("\n        return\n    fi\n    case ${COMP_WORDS[1]} in\n", out);
    fputs("    --man | --help | help) ", out);
    fputs(OFFER("-W \"$commands\""), out);
    fputs("; return ;;\n", out);
    for (int i = 0; commands[i]; i++)
        completion_of(commands[i], out);
    fputs("    esac\n    case $cur in\n    -*) ", out);
    fputs(OFFER("-W \"$words\""), out);
    fputs(" ;;\n    *) ", out);
    fputs(OFFER("-f"), out);
    fputs(" ;;\n    esac\n}\ncomplete -o filenames -F _realjudge realjudge\n", out);
}
