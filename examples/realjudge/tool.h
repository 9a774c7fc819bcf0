/* tool.h: what the files of the program `realjudge` share. A command is a table of
 * options, a few sentences and a function; parsing, --help, manual page, completion and
 * configuration file all walk the same table, so an option that is not in it is nowhere.
 */
#ifndef REALJUDGE_TOOL_H
#define REALJUDGE_TOOL_H

#include "show.h"
#include <jansson.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>

/* Exit statuses. A program that a signal stopped ends by that signal. */
enum { DONE = 0, PARTIAL = 1, USAGE = 2, FATAL = 3 };

/* ---- commands --------------------------------------------------------------------- */

/* What an option's field is: int, int, double, uint64_t, const char *. */
enum kind { SWITCH, WHOLE, NUMBER, SEED, WORD, CHOICE, PATH, FOLDER };

typedef struct row {
    const char *name; /* without its dashes */
    enum kind kind;
    size_t at;            /* of the field in the job */
    const char *argument; /* as help shows it; of a CHOICE all there are: "a|b" */
    double low, high;     /* range of WHOLE, NUMBER; both 0: the library checks */
    const char *help;
} row;

/* Of every command that reads images; AT() is the command's. */
#define ISOLATE_ROW(field)                                                               \
    {                                                                                    \
        "isolate", SWITCH, AT(field), NULL, 0, 0,                                        \
            "decode each image in a child process, whose memory, time and system calls " \
            "are "                                                                       \
            "limited"                                                                    \
    }

/* What every job begins with. */
typedef struct common {
    const char *config, *isa;
    int print_config, quiet, help;
} common;

typedef struct command {
    const char *name, *summary;
    const char *operands;    /* as the synopsis shows them; NULL: it takes none */
    const char *description; /* paragraphs, an empty line between two */
    const char *status;      /* sentences on the exit status */
    const char *examples;    /* lines */
    const row *rows;
    int n;
    const void *initial; /* the job before options are read, `size` bytes */
    size_t size;
    int (*complete)(void *job); /* puts defaults in place of zeros and checks; or NULL */
    int (*run)(void *job, int n, char **operand); /* returns an exit status */
} command;

extern const command command_train, command_predict, command_evaluate, command_forge,
    command_audit, command_align, command_report, command_calibrate, command_model,
    command_merge;

extern const command *const commands[]; /* ends with NULL */
extern const row common_rows[];
enum { COMMON_ROWS = 5 };

/* Row i of a command, its own first, then the common ones; NULL behind the last. */
const row *row_at(const command *c, int i);

/* ---- options.c, config.c ---------------------------------------------------------- */

/* What was read, and what the job's texts point into. */
typedef struct reading {
    const command *command;
    void *job;
    json_t *config; /* or NULL */
    int n;          /* operands */
    char **operand;
} reading;

/* Returns DONE, or USAGE after saying why. argv[0] is the command. */
int options_read(const command *c, int argc, char **argv, reading *r);
void options_free(reading *r);
/* Set one field by its text; DONE, or USAGE after saying why, `where` first. */
int option_set(void *job, const row *o, const char *text, const char *where);
/* The values of a configuration file, before those of the command line. */
int config_read(reading *r, const char *path);
int config_print(const reading *r);
/* A field as JSON; null for what was not given. */
json_t *option_value(const void *job, const row *o);

/* ---- manual.c, completion.c ------------------------------------------------------- */

void help_all(FILE *out);
void help_print(const command *c, FILE *out);
void man_print(const command *c, FILE *out); /* NULL: of the program itself */
void completion_print(FILE *out);
/* Lines of at most `width` columns, each behind `indent` spaces but the first. */
void fill(FILE *out, const char *text, int indent, int width);

/* ---- teller.c: messages and signals ----------------------------------------------- */

typedef struct teller {
    bar b;
    int quiet;
} teller;

void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* "realjudge: " and the library's last error; returns the exit status for `status`. */
int complain(rij_status status);
teller teller_make(int quiet);
/* A rij_progress_fn; `user` is a teller. Stops when a signal came. */
int tell(const rij_progress *progress, void *user);
void stop_watch(void); /* SIGINT and SIGTERM stop; a second one ends at once */
int stop_asked(void);  /* the signal, or 0 */
void stop_by(int signal) __attribute__((noreturn)); /* end as that signal ends */

/* ---- inputs.c, lines.c ------------------------------------------------------------ */

/* Paths in the order in which they were named; of a folder by name. */
typedef struct inputs {
    char **path;
    size_t n, room;
    int there; /* a pattern of nothing adds nothing; else it is a path itself */
} inputs;

void inputs_add(inputs *in, const char *path);
/* A file, a folder with all below it, or a pattern; DONE, or FATAL after saying why. */
int inputs_expand(inputs *in, const char *operand);
void inputs_sort(inputs *in); /* by bytes, each path once */
/* What a program writes, file and file.partial, is no input of it. */
void inputs_leave_out(inputs *in, const char *file);
void inputs_free(inputs *in);
uint64_t inputs_hash(const inputs *in);

/* Lines of a file descriptor, read as they come; ended by `end`. */
typedef struct lines {
    int fd;
    char end;
    char *text;
    size_t n, at, room;
    int ended;
} lines;

/* The next one that is not empty, which the caller frees; NULL: there is none, a signal
 * came, or *stopped (unless it is NULL) was set. */
char *lines_next(lines *l, const atomic_int *stopped);
void lines_free(lines *l);

/* ---- memory: a tool gives up where a library must not --------------------------------
 */

void *need(void *memory); /* what was allocated, or the end of the program */

/* ---- crew.c: threads that work on inputs, results in order ------------------------ */

typedef struct result {
    char *text; /* freed by whoever takes it */
    int failed; /* this input could not be judged */
    int fatal;  /* nor would others be: the text says why, it is no record */
} result;

typedef struct crew {
    int threads;
    /* The next input, which the crew frees; NULL: there is none. Called by one thread at
     * a time. */
    char *(*next)(void *user, const atomic_int *stopped);
    void (*work)(void *user, size_t index, const char *path, result *r);
    /* In order, on the calling thread. Anything but 0 stops. */
    int (*deliver)(void *user, size_t index, result *r);
    void (*tick)(void *user); /* now and then, on the calling thread */
    void *user;
} crew;

/* Work until there is no input, a signal comes or deliver() stops; returns what deliver()
 * returned last that was not 0, or 0. */
int crew_run(const crew *c);
int processors(void); /* that this process may use */

/* ---- record.c --------------------------------------------------------------------- */

int is_utf8(const char *text);
/* Text as JSON: bytes that are not UTF-8 become U+FFFD. */
json_t *text_json(const char *text);
/* Sets `key`; where the path is not UTF-8 also key_percent, its bytes as RFC 3986 writes
 * them, which is exact. */
void path_json(json_t *record, const char *key, const char *path);
json_t *number_json(double x);   /* null if it is not finite */
char *json_line(json_t *record); /* compact, with its line end; frees the record */
/* A path for people: control characters as \xNN, so that no name moves a cursor. */
char *path_shown(const char *path);

/* ---- judged.c --------------------------------------------------------------------- */

/* What is asked of every input. */
typedef struct question {
    const rij_model *model;
    double level, found; /* of examining and explaining; 0: the library's */
    int examine, json, isolated;
    const char *maps; /* folder of evidence maps; NULL: none */
    int nearest;      /* exemplars that are told; 0: none */
} question;

/* Judge one file; the text is a record, lines for a person, or why it failed. What is not
 * the file's fault is fatal: no memory, no device, no calibration, no exemplars, a map
 * not written. */
void judge_input(const question *q, size_t index, const char *path, result *r);

/* ---- part.c: records of a shard, written beside and renamed ----------------------- */

typedef struct part {
    const char *path; /* when it is complete */
    char *beside;     /* until then; NULL: a device or a pipe, written as it is */
    int fd;
    size_t done, failed; /* records there are, and those of them that are errors */
    int complete;        /* it was complete before */
} part;

/* Open or continue. `header` is borrowed; it must equal what is there. Returns DONE, or
 * FATAL after saying why. */
int part_open(part *p, const char *path, const json_t *header);
int part_write(part *p, const char *text);
int part_finish(part *p); /* synced and renamed; DONE or FATAL */
void part_close(part *p);
/* Read the header of a part; a new object, or NULL after saying why. */
json_t *part_header(const char *path, FILE *file);
/* "0/16": DONE, or USAGE after saying why. */
int shard_read(const char *text, size_t *shard, size_t *shards);

#define COUNT(array) ((int)(sizeof(array) / sizeof *(array)))

#endif
