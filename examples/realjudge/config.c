/* config.c: options from a JSON file and back. What is printed can be read, and gives the
 * same printed again; null stands for what was not given. */
#include "tool.h"

/* ---- reading ---------------------------------------------------------------------- */

/* A scalar as the command line would write it; NULL: it is none. */
static const char *as_text(const json_t *value, char *room, size_t size)
{
    if (json_is_string(value))
        return json_string_value(value);
    if (json_is_integer(value))
        snprintf(room, size, "%lld", (long long)json_integer_value(value));
    else if (json_is_real(value))
        snprintf(room, size, "%.17g", json_real_value(value));
    else if (json_is_boolean(value))
        snprintf(room, size, "%d", json_is_true(value));
    else
        return NULL;
    return room;
}

/* A number that stands for "not given" need not be in the range of those that are. */
static int is_initial(const command *c, const row *o, const json_t *value)
{
    json_t *initial = option_value(c->initial, o);
    const int same = json_is_number(value) && json_is_number(initial) &&
                     json_number_value(value) == json_number_value(initial);

    json_decref(initial);
    return same;
}

/* Numbers are read by value; texts must be strings, which stay with the object. */
static int set_value(reading *r, const row *o, const json_t *value, const char *where)
{
    const int text = o->kind >= WORD;
    const int fits = text                ? json_is_string(value)
                     : o->kind == SWITCH ? json_is_boolean(value)
                     : o->kind == SEED   ? json_is_string(value) || json_is_integer(value)
                                         : json_is_number(value);
    char room[64];

    if (json_is_null(value) || is_initial(r->command, o, value))
        return DONE;
    if (!fits) {
        say("%s%s: it must be %s, or null", where, o->name,
            text                ? "a string"
            : o->kind == SWITCH ? "true or false"
                                : "a number");
        return USAGE;
    }
    return option_set(r->job, o, as_text(value, room, sizeof room), where);
}

static int set_inputs(reading *r, const json_t *list, const char *where)
{
    const size_t n = json_array_size(list);

    if (!json_is_array(list)) {
        say("%sinputs: it must be a list of strings", where);
        return USAGE;
    }
    r->operand = need(calloc(n + 1, sizeof *r->operand));
    for (size_t i = 0; i < n; i++) {
        const char *text = json_string_value(json_array_get(list, i));

        if (!text) {
            say("%sinputs: it must be a list of strings", where);
            return USAGE;
        }
        r->operand[r->n++] = (char *)text;
    }
    return DONE;
}

static const row *named(const command *c, const char *name)
{
    for (int i = 0; row_at(c, i); i++)
        if (strcmp(row_at(c, i)->name, name) == 0)
            return row_at(c, i);
    return NULL;
}

static int set_key(reading *r, const char *key, const json_t *value, const char *where)
{
    const row *o = named(r->command, key);
    const char *text = json_string_value(value);

    if (strcmp(key, "inputs") == 0)
        return set_inputs(r, value, where);
    if (strcmp(key, "command") == 0) {
        if (text && strcmp(text, r->command->name) == 0)
            return DONE;
        say("%scommand is '%s', not %s", where, text ? text : "", r->command->name);
        return USAGE;
    }
    if (!o || strcmp(key, "config") == 0 || strcmp(key, "help") == 0) {
        say("%s'%s' is no option of %s", where, key, r->command->name);
        return USAGE;
    }
    return set_value(r, o, value, where);
}

int config_read(reading *r, const char *path)
{
    char where[256];
    json_error_t error;
    json_t *value;
    const char *key;
    int status = DONE;

    if (r->config) {
        say("--config: it may be given once");
        return USAGE;
    }
    r->config = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
    if (!json_is_object(r->config)) {
        if (r->config)
            say("--config %s: it holds no JSON object", path);
        else
            say("--config %s: line %d: %s", path, error.line, error.text);
        return USAGE;
    }
    snprintf(where, sizeof where, "%.200s: ", path);
    json_object_foreach(r->config, key, value) if (status == DONE) status =
        set_key(r, key, value, where);
    return status;
}

/* ---- printing --------------------------------------------------------------------- */

json_t *option_value(const void *job, const row *o)
{
    const void *at = (const char *)job + o->at;
    char seed[24];

    switch (o->kind) {
    case SWITCH:
        return json_boolean(*(const int *)at);
    case WHOLE:
        return json_integer(*(const int *)at);
    case NUMBER:
        return json_real(*(const double *)at);
    case SEED: // 64 bits do not fit the numbers of most readers of JSON
        snprintf(seed, sizeof seed, "%llu", (unsigned long long)*(const uint64_t *)at);
        return json_string(seed);
    default:
        return *(const char *const *)at ? text_json(*(const char *const *)at)
                                        : json_null();
    }
}

/* Digits that give every number back: 15 read best, 17 always do. */
static size_t digits(const reading *r)
{
    char text[64];

    for (int i = 0; row_at(r->command, i); i++) {
        const row *o = row_at(r->command, i);
        const double x =
            o->kind == NUMBER ? *(const double *)((const char *)r->job + o->at) : 0;

        snprintf(text, sizeof text, "%.15g", x);
        if (strtod(text, NULL) != x)
            return 17;
    }
    return 15;
}

/* JSON has no place for a path that is not UTF-8; another path would be a lie. */
static int can_be_told(const reading *r)
{
    for (int i = 0; row_at(r->command, i); i++) {
        const row *o = row_at(r->command, i);
        const char *text = NULL;

        if (o->kind >= WORD)
            text = *(const char *const *)(const void *)((const char *)r->job + o->at);
        if (text && !is_utf8(text)) {
            say("--print-config: '%s' is not UTF-8", text);
            return 0;
        }
    }
    for (int i = 0; i < r->n; i++)
        if (!is_utf8(r->operand[i])) {
            say("--print-config: '%s' is not UTF-8", r->operand[i]);
            return 0;
        }
    return 1;
}

int config_print(const reading *r)
{
    json_t *all, *list;

    if (!can_be_told(r))
        return USAGE;
    all = json_object();
    list = json_array();

    json_object_set_new(all, "command", json_string(r->command->name));
    for (int i = 0; row_at(r->command, i); i++) {
        const row *o = row_at(r->command, i);

        if (i < r->command->n || o->at == offsetof(common, isa) ||
            o->at == offsetof(common, quiet))
            json_object_set_new(all, o->name, option_value(r->job, o));
    }
    for (int i = 0; i < r->n; i++)
        json_array_append_new(list, text_json(r->operand[i]));
    if (r->command->operands)
        json_object_set_new(all, "inputs", list);
    else
        json_decref(list);
    json_dumpf(all, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(digits(r)));
    putchar('\n');
    json_decref(all);
    return DONE;
}
