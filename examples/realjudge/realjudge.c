/* realjudge.c: the program: which command it is, and how it ends.
 *
 *     realjudge train --data FOLDER --out judge.safetensors
 *     realjudge predict --model judge.safetensors photos/
 *
 * It sees the library through its public header, as any program of yours would. */
#include "tool.h"
#include <unistd.h>

const command *const commands[] = {&command_train,
                                   &command_predict,
                                   &command_evaluate,
                                   &command_report,
                                   &command_audit,
                                   &command_align,
                                   &command_forge,
                                   &command_model,
                                   &command_calibrate,
                                   &command_merge,
                                   NULL};

static const command *find(const char *name)
{
    for (int i = 0; commands[i]; i++)
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    return NULL;
}

static int no_such(const char *name)
{
    say("there is no command '%s'", name);
    fputs("Try: realjudge --help\n", stderr);
    return USAGE;
}

/* The options of the program itself; -1: it is none of them. */
static int itself(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    const command *c = argc > 2 ? find(argv[2]) : NULL;

    if (strcmp(what, "--version") == 0)
        printf("realjudge %s\n", rij_version());
    else if (strcmp(what, "--completion") == 0)
        completion_print(stdout);
    else if (strcmp(what, "--help") != 0 && strcmp(what, "--man") != 0 &&
             strcmp(what, "help") != 0)
        return -1;
    else if (argc > 2 && !c)
        return no_such(argv[2]);
    else if (strcmp(what, "--man") == 0)
        man_print(c, stdout);
    else if (c)
        help_print(c, stdout);
    else
        help_all(stdout);
    return DONE;
}

static int run(const command *c, int argc, char **argv)
{
    reading r;
    int status = options_read(c, argc, argv, &r);
    const common *shared = r.job;

    if (status != DONE)
        goto done;
    if (shared->help) {
        help_print(c, stdout);
        goto done;
    }
    if (shared->isa)
        setenv("RIJ_ISA", shared->isa, 1); // before a device is opened
    if (c->complete)
        status = c->complete(r.job);
    if (status == DONE && shared->print_config)
        status = config_print(&r);
    else if (status == DONE)
        status = c->run(r.job, r.n, r.operand);
done:
    options_free(&r);
    return status;
}

/* What could not be written to standard output counts. */
static int closed(int status)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    fputs("realjudge: standard output could not be written\n", stderr);
    return FATAL;
}

int main(int argc, char **argv)
{
    const int own = itself(argc, argv);
    const command *c;
    int status;

    if (own >= 0)
        return closed(own);
    if (argc < 2) {
        help_all(stderr);
        return USAGE;
    }
    c = find(argv[1]);
    if (!c)
        return no_such(argv[1]);
    stop_watch();
    status = closed(run(c, argc - 1, argv + 1));
    if (stop_asked())
        stop_by(stop_asked());
    return status;
}
