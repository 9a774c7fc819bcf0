/* safetensors.c: files of named float32 tensors and strings.
 *
 *     8 bytes  N, length of the header, little-endian
 *     N bytes  JSON: {"__metadata__":{key:string, ..},
 *                     name:{"dtype":"F32","shape":[..],"data_offsets":[begin,end]}, ..}
 *              padded with spaces, so that the data start at a multiple of 8
 *     data     little-endian numbers, in the order of the header, without holes
 *
 * What we write is sealed. The header starts with  {"__metadata__":{"hash":"  and 32
 * hexadecimal digits: 16 of the hash of everything before the data (these 16 digits left
 * out), 16 of the hash of the data. So one wrong byte anywhere is noticed, that of a
 * padding space too, and a damaged header is told from damaged numbers. */
#include "model/model.h"
#include <jansson.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static const char seal[] = "{\"__metadata__\":{\"hash\":\"";
static const char no_digits[] = "00000000000000000000000000000000";
enum {
    LENGTH = 8,                        /* bytes of N */
    DIGITS = LENGTH + sizeof seal - 1, /* where the digits start: 33 */
    HEADER_MAX = 16 << 20,
};
static const size_t file_max = (size_t)1 << 31;

/* ---- the hash ---------------------------------------------------------------------- */

static void digits(uint64_t hash, unsigned char *to)
{
    char text[17];

    snprintf(text, sizeof text, "%016llx", (unsigned long long)hash);
    memcpy(to, text, 16);
}

/* Of the first `data` bytes of a file, without the 16 digits this hash itself is. */
static void header_digits(const unsigned char *bytes, size_t data, unsigned char *to)
{
    const size_t rest = DIGITS + 16;

    digits(rj_hash(bytes + rest, data - rest, rj_hash(bytes, DIGITS, 0)), to);
}

/* ---- the list of tensors and entries ------------------------------------------------
 */

const rj_st_tensor *rj_st_tensor_find(const rj_st_file *f, const char *name)
{
    for (int i = 0; i < f->tensors; i++)
        if (strcmp(f->tensor[i].name, name) == 0)
            return &f->tensor[i];
    return NULL;
}

static rj_st_entry *entry_find(const rj_st_file *f, const char *key)
{
    for (int i = 0; i < f->entries; i++)
        if (strcmp(f->entry[i].key, key) == 0)
            return &f->entry[i];
    return NULL;
}

const char *rj_st_get(const rj_st_file *f, const char *key)
{
    const rj_st_entry *e = entry_find(f, key);

    return e ? e->value : NULL;
}

void rj_st_free(rj_st_file *f)
{
    for (int i = 0; i < f->tensors; i++)
        rj_free(f->tensor[i].x);
    for (int i = 0; i < f->entries; i++) {
        rj_free(f->entry[i].key);
        rj_free(f->entry[i].value);
    }
    rj_free(f->tensor);
    rj_free(f->entry);
    *f = (rj_st_file){0};
}

/* Room for one more tensor of this shape, which the caller fills and then counts. */
static rij_status tensor_room(rj_st_file *f, const char *name, rj_shape shape,
                              rj_st_tensor **t)
{
    float *x;

    RJ_TRY(rj_grow((void **)&f->tensor, &f->tensors_room, f->tensors + 1,
                   sizeof *f->tensor));
    x = rj_alloc(rj_count(&shape), sizeof *x);
    RJ_REQUIRE(x, RIJ_E_MEMORY, "tensor '%s': no memory", name);
    *t = &f->tensor[f->tensors];
    **t = (rj_st_tensor){.shape = shape, .x = x};
    snprintf((*t)->name, sizeof(*t)->name, "%s", name);
    return RIJ_OK;
}

static rij_status entry_add(rj_st_file *f, const char *key, const char *value)
{
    rj_st_entry e;

    RJ_TRY(
        rj_grow((void **)&f->entry, &f->entries_room, f->entries + 1, sizeof *f->entry));
    e = (rj_st_entry){rj_strdup(key), rj_strdup(value)};
    if (!e.key || !e.value) {
        rj_free(e.key);
        rj_free(e.value);
        return rj_fail(RIJ_E_MEMORY, "entry '%.80s': no memory", key);
    }
    f->entry[f->entries++] = e;
    return RIJ_OK;
}

rij_status rj_st_add(rj_st_file *f, const char *name, rj_shape shape, const float *x)
{
    const size_t n = rj_count(&shape);
    rj_st_tensor *t;

    RJ_REQUIRE(name[0] && strlen(name) < RJ_NAME_MAX && strcmp(name, "__metadata__") != 0,
               RIJ_E_ARGUMENT, "tensor name '%.80s' is not allowed", name);
    RJ_REQUIRE(!rj_st_tensor_find(f, name), RIJ_E_ARGUMENT,
               "there is a tensor '%s' already", name);
    for (size_t i = 0; i < n; i++)
        RJ_REQUIRE(isfinite(x[i]), RIJ_E_ARGUMENT,
                   "tensor '%s': number %zu is not finite", name, i);
    RJ_TRY(tensor_room(f, name, shape, &t));
    memcpy(t->x, x, n * sizeof *x);
    f->tensors++;
    return RIJ_OK;
}

char *rj_json_text(const json_t *value, size_t flags)
{
    const size_t n = json_dumpb(value, NULL, 0, flags);
    char *text = n ? rj_alloc(n + 1, 1) : NULL; // with a 0 behind it

    if (text)
        json_dumpb(value, text, n, flags);
    return text;
}

rij_status rj_st_set(rj_st_file *f, const char *key, const char *value)
{
    rj_st_entry *e = entry_find(f, key);
    char *clean;

    RJ_REQUIRE(strcmp(key, "hash") != 0, RIJ_E_ARGUMENT,
               "the entry 'hash' belongs to the file");
    for (const char *c = key; *c; c++)
        RJ_REQUIRE(*c > ' ' && *c < 127, RIJ_E_ARGUMENT,
                   "the key of an entry is not plain text");
    clean = rj_strdup(value);
    RJ_REQUIRE(clean, RIJ_E_MEMORY, "entry '%.80s': no memory", key);
    for (char *c = clean; *c;) {
        const int n = rj_utf8(c);

        if (n == 0)
            *c = '?';
        c += RJ_MAX(n, 1);
    }
    if (e) {
        rj_free(e->value);
        e->value = clean;
    } else {
        const rij_status status = entry_add(f, key, clean);

        rj_free(clean);
        return status;
    }
    return RIJ_OK;
}

/* ---- writing ------------------------------------------------------------------------
 */

static rij_status put(json_t *object, const char *key, json_t *value)
{
    RJ_REQUIRE(json_object_set_new(object, key, value) == 0, RIJ_E_MEMORY,
               "'%.80s': no memory for the header", key);
    return RIJ_OK;
}

/* A tensor's entry; *at is where its data begin, and then where they end. */
static rij_status put_tensor(json_t *root, const rj_st_tensor *t, size_t *at)
{
    const size_t end = *at + rj_count(&t->shape) * 4;
    json_t *shape = json_array();
    bool fine = shape != NULL;

    for (int i = 0; i < t->shape.rank; i++)
        fine = fine && json_array_append_new(shape, json_integer(t->shape.dim[i])) == 0;
    if (!fine) {
        json_decref(shape);
        return rj_fail(RIJ_E_MEMORY, "'%s': no memory for the header", t->name);
    }
    RJ_TRY(put(root, t->name,
               json_pack("{s:s,s:o,s:[I,I]}", "dtype", "F32", "shape", shape,
                         "data_offsets", (json_int_t)*at, (json_int_t)end)));
    *at = end;
    return RIJ_OK;
}

static rij_status header_make(const rj_st_file *f, json_t *root, size_t *data_bytes)
{
    json_t *meta = json_object();

    *data_bytes = 0;
    RJ_TRY(put(root, "__metadata__", meta));
    RJ_TRY(put(meta, "hash", json_string(no_digits)));
    for (int i = 0; i < f->entries; i++)
        RJ_TRY(put(meta, f->entry[i].key, json_string(f->entry[i].value)));
    for (int i = 0; i < f->tensors; i++)
        RJ_TRY(put_tensor(root, &f->tensor[i], data_bytes));
    return RIJ_OK;
}

static void put_number(unsigned char *to, float x)
{
    uint32_t bits;

    memcpy(&bits, &x, sizeof bits);
    for (int i = 0; i < 4; i++)
        to[i] = (unsigned char)(bits >> 8 * i);
}

/* The whole file as bytes, freed with rj_free(). */
static rij_status assemble(const rj_st_file *f, const json_t *root, size_t data_bytes,
                           unsigned char **out, size_t *n)
{
    const size_t text = json_dumpb(root, NULL, 0, JSON_COMPACT);
    const size_t header = (text + 7) / 8 * 8, data = LENGTH + header;
    unsigned char *bytes, *to;

    RJ_REQUIRE(text > 0, RIJ_E_MEMORY, "no memory for the header");
    RJ_REQUIRE(header <= HEADER_MAX && data_bytes <= file_max - data, RIJ_E_ARGUMENT,
               "a header of %zu bytes or data of %zu are too large for a file", header,
               data_bytes);
    bytes = rj_alloc(data + data_bytes, 1);
    RJ_REQUIRE(bytes, RIJ_E_MEMORY, "no memory for %zu bytes", data + data_bytes);
    for (int i = 0; i < LENGTH; i++)
        bytes[i] = (unsigned char)((uint64_t)header >> 8 * i);
    memset(bytes + LENGTH, ' ', header);
    if (json_dumpb(root, (char *)bytes + LENGTH, text, JSON_COMPACT) != text) {
        rj_free(bytes);
        return rj_fail(RIJ_E_MEMORY, "no memory for the header");
    }
    to = bytes + data;
    for (int i = 0; i < f->tensors; i++)
        for (size_t j = 0; j < rj_count(&f->tensor[i].shape); j++, to += 4)
            put_number(to, f->tensor[i].x[j]);
    digits(rj_hash(bytes + data, data_bytes, 0), bytes + DIGITS + 16);
    header_digits(bytes, data, bytes + DIGITS);
    *out = bytes;
    *n = data + data_bytes;
    return RIJ_OK;
}

rij_status rj_st_bytes(const char *name, const rj_st_file *f, unsigned char **bytes,
                       size_t *n)
{
    json_t *root = json_object();
    size_t data_bytes;
    rij_status status;

    RJ_REQUIRE(root, RIJ_E_MEMORY, "%s: no memory for the header", name);
    status = header_make(f, root, &data_bytes);
    if (status == RIJ_OK)
        status = assemble(f, root, data_bytes, bytes, n);
    json_decref(root);
    return status;
}

rij_status rj_st_write(const char *path, const rj_st_file *f)
{
    unsigned char *bytes = NULL;
    size_t n = 0;
    rij_status status;

    RJ_TRY(rj_st_bytes(path, f, &bytes, &n));
    status = rj_file_write(path, bytes, n);
    rj_free(bytes);
    return status;
}

rij_status rj_st_seal(const rj_st_file *f, char seal_digits[RJ_SEAL + 1])
{
    unsigned char *bytes;
    size_t n;

    RJ_TRY(rj_st_bytes("the model", f, &bytes, &n));
    memcpy(seal_digits, bytes + DIGITS, RJ_SEAL);
    seal_digits[RJ_SEAL] = 0;
    rj_free(bytes);
    return RIJ_OK;
}

/* ---- reading ------------------------------------------------------------------------
 */

/* A file that is being read: its bytes, and where in the data the next tensor begins. */
typedef struct reader {
    const char *name;
    const unsigned char *bytes; /* of the data */
    size_t n, at;               /* bytes of data, bytes used */
    rj_st_file file;
} reader;

static rij_status read_shape(const reader *r, const char *key, const json_t *shape,
                             rj_shape *out)
{
    size_t count = 1;
    int dim[RJ_MAX_RANK] = {1, 1, 1, 1};
    const size_t rank = json_array_size(shape);

    RJ_REQUIRE(json_is_array(shape) && rank <= RJ_MAX_RANK, RIJ_E_MODEL,
               "%s: tensor '%.80s': shape is no list of at most %d sides", r->name, key,
               RJ_MAX_RANK);
    for (size_t i = 0; i < rank; i++) {
        const json_t *side = json_array_get(shape, i);
        const json_int_t d = json_integer_value(side);

        RJ_REQUIRE(json_is_integer(side) && d >= 1 && d <= INT_MAX &&
                       count <= r->n / 4 / (size_t)d,
                   RIJ_E_MODEL, "%s: tensor '%.80s': a side of its shape is not allowed",
                   r->name, key);
        count *= (size_t)d;
        dim[i] = (int)d;
    }
    *out = rj_shape_plain((int)rank, dim[0], dim[1], dim[2], dim[3]);
    return RIJ_OK;
}

/* Offsets must say just what the shape and the place imply; then they cannot lie. */
static rij_status read_offsets(reader *r, const char *key, const json_t *offsets,
                               size_t bytes)
{
    const json_t *begin = json_array_get(offsets, 0), *end = json_array_get(offsets, 1);

    RJ_REQUIRE(json_array_size(offsets) == 2 && json_is_integer(begin) &&
                   json_is_integer(end),
               RIJ_E_MODEL, "%s: tensor '%.80s': data_offsets are not two numbers",
               r->name, key);
    RJ_REQUIRE(
        json_integer_value(begin) == (json_int_t)r->at && bytes <= r->n - r->at &&
            json_integer_value(end) == (json_int_t)(r->at + bytes),
        RIJ_E_MODEL,
        "%s: tensor '%.80s': data at %lld..%lld, where %zu..%zu of %zu bytes are due",
        r->name, key, (long long)json_integer_value(begin),
        (long long)json_integer_value(end), r->at, r->at + bytes, r->n);
    return RIJ_OK;
}

static rij_status read_numbers(reader *r, const char *key, float *x, size_t n)
{
    const unsigned char *from = r->bytes + r->at;

    for (size_t i = 0; i < n; i++, from += 4) {
        const uint32_t bits = (uint32_t)from[0] | (uint32_t)from[1] << 8 |
                              (uint32_t)from[2] << 16 | (uint32_t)from[3] << 24;

        memcpy(&x[i], &bits, sizeof bits);
        RJ_REQUIRE(isfinite(x[i]), RIJ_E_MODEL,
                   "%s: tensor '%s': number %zu is not finite", r->name, key, i);
    }
    r->at += n * 4;
    return RIJ_OK;
}

static rij_status read_tensor(reader *r, const char *key, json_t *value)
{
    const char *dtype = json_string_value(json_object_get(value, "dtype"));
    rj_st_tensor *t;
    rj_shape shape;

    RJ_REQUIRE(key[0] && strlen(key) < RJ_NAME_MAX, RIJ_E_MODEL,
               "%s: tensor name '%.80s' has no bytes or more than %d", r->name, key,
               RJ_NAME_MAX - 1);
    RJ_REQUIRE(
        json_object_size(value) == 3 && dtype && strcmp(dtype, "F32") == 0, RIJ_E_MODEL,
        "%s: tensor '%s': not dtype F32, shape and data_offsets alone", r->name, key);
    RJ_TRY(read_shape(r, key, json_object_get(value, "shape"), &shape));
    RJ_TRY(read_offsets(r, key, json_object_get(value, "data_offsets"),
                        rj_count(&shape) * 4));
    RJ_TRY(tensor_room(&r->file, key, shape, &t));
    r->file.tensors++;
    return read_numbers(r, key, t->x, rj_count(&shape));
}

static rij_status read_metadata(reader *r, json_t *meta)
{
    const char *key;
    json_t *value;

    RJ_REQUIRE(json_is_object(meta), RIJ_E_MODEL, "%s: __metadata__ is no object",
               r->name);
    json_object_foreach(meta, key, value)
    {
        RJ_REQUIRE(json_is_string(value), RIJ_E_MODEL,
                   "%s: metadata '%.80s' is no string", r->name, key);
        RJ_REQUIRE(strcmp(key, "hash") != 0 || r->file.sealed, RIJ_E_MODEL,
                   "%s: the hash does not stand at the start of the header", r->name);
        if (strcmp(key, "hash") != 0)
            RJ_TRY(entry_add(&r->file, key, json_string_value(value)));
    }
    return RIJ_OK;
}

static rij_status read_header(reader *r, const char *text, size_t n)
{
    json_error_t error;
    json_t *root = json_loadb(text, n, JSON_REJECT_DUPLICATES, &error), *value;
    const char *key;
    rij_status status = RIJ_OK;

    if (!root)
        return rj_fail(json_error_code(&error) == json_error_out_of_memory ? RIJ_E_MEMORY
                                                                           : RIJ_E_MODEL,
                       "%s: header: %s", r->name, error.text);
    if (!json_is_object(root))
        status = rj_fail(RIJ_E_MODEL, "%s: the header is no object", r->name);
    json_object_foreach(root, key, value)
        RJ_TRY_DONE(strcmp(key, "__metadata__") == 0 ? read_metadata(r, value)
                                                     : read_tensor(r, key, value));
    if (status == RIJ_OK && r->at != r->n)
        status = rj_fail(RIJ_E_MODEL, "%s: %zu bytes of data belong to no tensor",
                         r->name, r->n - r->at);
done:
    json_decref(root);
    return status;
}

/* The hash comes first: what it vouches for is ours, and the rest is still checked. */
static rij_status check_seal(const char *name, const unsigned char *bytes, size_t data,
                             size_t n, bool *sealed)
{
    unsigned char head[16], body[16];

    *sealed = data >= DIGITS + 32 && memcmp(bytes + LENGTH, seal, sizeof seal - 1) == 0;
    if (!*sealed)
        return RIJ_OK;
    header_digits(bytes, data, head);
    RJ_REQUIRE(memcmp(head, bytes + DIGITS, 16) == 0, RIJ_E_MODEL,
               "%s: the header is damaged: its hash differs", name);
    digits(rj_hash(bytes + data, n - data, 0), body);
    RJ_REQUIRE(memcmp(body, bytes + DIGITS + 16, 16) == 0, RIJ_E_MODEL,
               "%s: the numbers are damaged: their hash differs", name);
    return RIJ_OK;
}

rij_status rj_st_parse(const char *name, const unsigned char *bytes, size_t n,
                       rj_st_file *f)
{
    reader r = {.name = name};
    uint64_t header = 0;
    rij_status status;

    for (int i = 0; i < LENGTH && n >= LENGTH; i++)
        header |= (uint64_t)bytes[i] << 8 * i;
    RJ_REQUIRE(n > LENGTH && header >= 2 && header <= HEADER_MAX && header <= n - LENGTH,
               RIJ_E_MODEL, "%s: %zu bytes are no safetensors file, or its start alone",
               name, n);
    r.bytes = bytes + LENGTH + header;
    r.n = n - LENGTH - (size_t)header;
    RJ_TRY(check_seal(name, bytes, LENGTH + (size_t)header, n, &r.file.sealed));
    status = read_header(&r, (const char *)bytes + LENGTH, (size_t)header);
    if (status != RIJ_OK) {
        rj_st_free(&r.file);
        return status;
    }
    *f = r.file;
    return RIJ_OK;
}

rij_status rj_st_read(const char *path, rj_st_file *f)
{
    unsigned char *bytes = NULL;
    size_t n = 0;
    rij_status status;

    RJ_TRY(rj_file_read(path, file_max, &bytes, &n));
    status = rj_st_parse(path, bytes, n, f);
    rj_free(bytes);
    return status;
}
