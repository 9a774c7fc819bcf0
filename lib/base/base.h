/* base.h: what every other file may use. Includes nothing of ours but the public header.
 */
#ifndef RJ_BASE_H
#define RJ_BASE_H

#include "realjudge.h"
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifndef RJ_REAL
#    define RJ_REAL float
#endif
typedef RJ_REAL rj_real; /* float; double where gradients are checked */

#define RJ_COUNT(array) ((int)(sizeof(array) / sizeof *(array)))
#define RJ_MIN(a, b) ((a) < (b) ? (a) : (b))
#define RJ_MAX(a, b) ((a) > (b) ? (a) : (b))

/* ---- status.c --------------------------------------------------------------------- */

/* Note why, for rij_last_error(), and hand the status on. */
rij_status rj_fail(rij_status status, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
#ifdef RJ_ANALYSED /* one file at a time: it does not see that the status comes back */
void rj_said(int none, ...);
#    define rj_fail(status, ...) ((rij_status)(rj_said(0, __VA_ARGS__), (status)))
#endif

#define RJ_TRY(call)                                                                     \
    do {                                                                                 \
        const rij_status rj_status_ = (call);                                            \
        if (rj_status_ != RIJ_OK)                                                        \
            return rj_status_;                                                           \
    } while (0)

/* The same where a `done:` label cleans up and `status` is returned from there. */
#define RJ_TRY_DONE(call)                                                                \
    do {                                                                                 \
        status = (call);                                                                 \
        if (status != RIJ_OK)                                                            \
            goto done;                                                                   \
    } while (0)

#define RJ_REQUIRE(condition, status, ...)                                               \
    do {                                                                                 \
        if (!(condition))                                                                \
            return rj_fail((status), __VA_ARGS__);                                       \
    } while (0)

/* ---- faults.c: for tests ---------------------------------------------------------- */

enum rj_fault {
    RJ_FAULT_MEMORY, /* an allocation */
    RJ_FAULT_WRITE,  /* of a piece of a file */
    RJ_FAULT_SYNC,
    RJ_FAULT_RENAME,
    RJ_FAULT_THREAD, /* a start of one */
    RJ_FAULTS
};
/* Count a call of this kind; true: it is the one that has to fail. */
bool rj_fault_due(enum rj_fault kind);
/* Let the n-th call of a kind from now fail (0: none), after `act`, unless that is NULL.
 * Returns how many were made since the last call. One counter of each kind for the
 * process. */
typedef void (*rj_fault_act)(void);
long rj_fault_at(enum rj_fault kind, long n, rj_fault_act act);

/* ---- memory.c --------------------------------------------------------------------- */

/* Zeroed memory for n things of `each` bytes, 64-byte aligned, or NULL: the product is
 * checked. Counted, and subject to rj_memory_fail_at(). */
void *rj_alloc(size_t n, size_t each);
void rj_free(void *memory); /* NULL is fine */
/* A copy of a string, or NULL. */
char *rj_strdup(const char *text);
/* Grow an array to hold at least `need` elements: doubles, keeps what is there, zeroes
 * the new part. On failure the array is as it was. */
rij_status rj_grow(void **array, int *room, int need, size_t each);

/* rj_fault_at() of allocations. */
long rj_memory_fail_at(long n);
/* Allocations not freed yet, for leak tests. */
long rj_memory_live(void);
/* Bytes that these take in the heap, and the most they took since the last call; the
 * process has more: code, stacks, what other libraries ask for. */
size_t rj_memory_bytes(void);
size_t rj_memory_peak(void);

/* Where memory that is not the heap's comes from: a device, say. */
typedef struct rj_source {
    /* 64-byte aligned, contents undefined; NULL when there is none left. */
    void *(*take)(void *self, size_t bytes);
    void (*give)(void *self, void *memory);
    void *self;
} rj_source;

/* Blocks that memory is handed out from. */
typedef struct rj_block {
    struct rj_block *next;
    size_t size, used;
    unsigned char *bytes; /* behind this, or the source's */
} rj_block;

typedef struct rj_chain {
    rj_block *first; /* the newest */
    size_t total;    /* bytes handed out since the last reset */
} rj_chain;

/* An arena hands out memory that lives until the next reset. It grows by blocks on
 * first use; reset merges them into one, so a repeated job allocates nothing. Blocks of
 * 2 MiB and more of the heap ask the system for huge pages. What is taken from a source,
 * one for each arena, lies in blocks of its own. */
typedef struct rj_arena {
    rj_chain heap, away;
    const rj_source *source; /* of `away` */
    size_t peak;             /* most bytes ever handed out between two resets */
} rj_arena;

/* n things of `each` bytes, zeroed, 64-byte aligned; NULL when memory ran out. */
void *rj_arena_take(rj_arena *arena, size_t n, size_t each);
/* The same holding whatever lay there: for what is written as a whole before it is read.
 */
void *rj_arena_take_raw(rj_arena *arena, size_t n, size_t each);
/* The same from a source, which must outlive the arena; NULL: the heap. */
void *rj_arena_take_from(rj_arena *arena, const rj_source *source, size_t n, size_t each);
/* Whether the next n * each bytes would lie right behind `end`. */
bool rj_arena_follows(const rj_arena *arena, const void *end, size_t n, size_t each);
void rj_arena_reset(rj_arena *arena);
void rj_arena_free(rj_arena *arena);

/* ---- text.c ----------------------------------------------------------------------- */

/* Text that grows; begin with {0}, end with rj_text_free(). Once memory ran out nothing
 * is added any more, and rj_text_done() is RIJ_E_MEMORY. */
typedef struct rj_text {
    char *bytes; /* with a zero behind them; NULL: nothing yet */
    int n, room;
    bool failed;
} rj_text;
void rj_text_bytes(rj_text *t, const char *bytes, size_t n);
void rj_text_put(rj_text *t, const char *text);
/* A name of the data on one line: '?' for bytes below a space. */
void rj_text_line(rj_text *t, const char *name);
/* At most 1023 bytes at a time. */
void rj_text_say(rj_text *t, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* A number with so many decimals and a point in every locale; "-": none. */
void rj_text_fixed(rj_text *t, double x, int decimals);
void rj_text_count(rj_text *t, long long n); /* in groups: 1,073,937; n from 0 */
rij_status rj_text_done(const rj_text *t);
void rj_text_free(rj_text *t);
/* Bytes of the UTF-8 character at s (RFC 3629, table 3-7 of Unicode), or 0. */
int rj_utf8(const char *s);

/* ---- random.c --------------------------------------------------------------------- */

/* Philox 4x32-10 (Salmon et al. 2011): number i of stream s of seed k, the same on every
 * machine and device, whoever asks and whenever. A generator is just those three. */
typedef struct rj_random {
    uint64_t seed, stream, index;
} rj_random;

/* What streams are for; the low 48 bits are free for the user's own counter. */
enum rj_stream {
    RJ_STREAM_INIT = 1,
    RJ_STREAM_SPLIT,
    RJ_STREAM_ORDER,
    RJ_STREAM_VIEW,
    RJ_STREAM_FORGE,
    RJ_STREAM_KMEANS,
    RJ_STREAM_TEST,
    RJ_STREAM_EVALUATE,
    RJ_STREAM_ALIGN
};
/* The generator itself: ten rounds on a counter under a key. */
void rj_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);
rj_random rj_random_start(uint64_t seed, enum rj_stream purpose, uint64_t counter);
uint64_t rj_random_bits(rj_random *r);                           /* 64 random bits */
double rj_random_uniform(rj_random *r, double low, double high); /* [low, high) */
int rj_random_below(rj_random *r, int n);                        /* 0 .. n-1, n >= 1 */
double rj_random_normal(rj_random *r);                           /* mean 0, deviation 1 */
/* n such numbers in float32, two for each number of the stream: the fast way to many,
 * with the same bits on every machine; normal.c */
void rj_random_normals(rj_random *r, size_t n, float *out);
void rj_random_shuffle(rj_random *r, int *items, int n);      /* Fisher-Yates */
uint64_t rj_hash(const void *bytes, size_t n, uint64_t seed); /* FNV-1a, mixed */

/* ---- pool.c ----------------------------------------------------------------------- */

enum { RJ_MAX_THREADS = 256 };
typedef struct rj_pool rj_pool;

/* pthread_create(): 0, or why not. */
int rj_thread_start(pthread_t *thread, void *(*work)(void *), void *argument);
/* threads 1..256 (0: one per processor); the caller's thread counts as one of them. If
 * the system grants fewer, the pool has those that it grants: results are the same. */
rij_status rj_pool_new(int threads, rj_pool **pool);
void rj_pool_free(rj_pool *pool);
int rj_pool_threads(const rj_pool *pool);

/* One piece of a job: `index` 0..n-1, `worker` 0..threads-1 (for scratch). */
typedef rij_status (*rj_piece)(void *job, int index, int worker);

/* Run all pieces and wait. Pieces run in any order, so each must write only its own
 * part, and the division into pieces must not depend on the number of threads: then
 * results do not either. The failure of the lowest index is returned, its message in
 * the caller's thread. A pool that is busy with another thread's job runs this one in
 * the calling thread. */
rij_status rj_parallel_for(rj_pool *pool, int n, rj_piece piece, void *job);

/* ---- cage.c, cage_inside.c, cage_filter.c -------------------------------------------
 */

/* Work on bytes of strangers in a process of its own, one for each piece, with limits on
 * memory, time and files and, where the build has libseccomp, a filter of system calls.
 * RIJ_OK, RIJ_E_IMAGE or RIJ_E_MEMORY; `used` bytes of out, and two numbers. What the
 * work can see is the memory of the process as it was when the cage was made. */
typedef rij_status (*rj_caged)(const uint8_t *in, size_t n, uint8_t *out, size_t room,
                               size_t *used, int number[2]);
typedef struct rj_cage_limits {
    size_t memory;     /* bytes of address space, besides what the process had */
    size_t out;        /* most bytes that come out */
    int cpu_s, wall_s; /* seconds of a processor, and of waiting */
} rj_cage_limits;
typedef struct rj_cage rj_cage; /* any number of threads may use one */
/* Forks: best before there are threads. It forks twice, so the process that stays is no
 * child of this one, unless this one adopts orphans (process 1, or a subreaper); the
 * first is one for a moment, and a wait() for any child in another thread may meet it.
 * RIJ_E_DEVICE: the system refuses. */
rij_status rj_cage_new(rj_caged work, const rj_cage_limits *limits, rj_cage **cage);
void rj_cage_free(rj_cage *cage); /* NULL is fine; nobody may be using it */
typedef struct rj_caged_result {
    uint8_t *bytes; /* rj_free() */
    size_t n;
    int number[2]; /* as the worker says: not to be believed */
} rj_caged_result;
/* What the work returns; RIJ_E_IMAGE with the reason if it dies, is stopped, lies, or
 * needs more memory than its limit; RIJ_E_DEVICE, RIJ_E_MEMORY: of the caller's side. */
rij_status rj_cage_run(rj_cage *cage, const uint8_t *in, size_t n,
                       rj_caged_result *result);

/* ---- file.c ----------------------------------------------------------------------- */

/* Whole file, with a zero byte behind it; refused above `limit` bytes. *bytes is freed
 * with rj_free(). RIJ_E_FILE (with the system's reason) or RIJ_E_MEMORY. */
rij_status rj_file_read(const char *path, size_t limit, unsigned char **bytes, size_t *n);
/* Write beside, sync, rename: `path` holds either what it held or all of this. */
rij_status rj_file_write(const char *path, const void *bytes, size_t n);
/* Several files so, of which none is renamed before all are written and synced. */
enum { RJ_FILES_MAX = 4 };
typedef struct rj_file_text {
    const char *path;
    const void *bytes;
    size_t n;
} rj_file_text;
rij_status rj_files_write(int n, const rj_file_text *files);
/* Write PATH.new, sync it, call `older` (unless NULL) what `path` held, and then `path`
 * the new one: whatever happens, one of the two names holds a whole file. A file PATH.new
 * that a killed process has left is replaced. */
rij_status rj_file_turn(const char *path, const char *older, const void *bytes, size_t n);
rij_status rj_file_probe(const char *path);    /* whether that could begin */
bool rj_file_is_there(const char *path);       /* or something that hides whether it is */
rij_status rj_file_remove(const char *path);   /* fine if there is none */
rij_status rj_folder_make(const char *path);   /* with its parents; fine if it is there */
rij_status rj_folder_unused(const char *path); /* fine if it is not there, or empty */
/* Whether a path, which need not be there, is a folder or lies below it, links followed.
 * RIJ_E_FILE: the folder is not there, or the path leads through what is no folder. */
rij_status rj_path_within(const char *path, const char *folder, bool *within);
/* dir/name into `out` (size bytes); RIJ_E_FILE when too long. An absolute name stands. */
rij_status rj_path_join(const char *dir, const char *name, char *out, size_t size);
/* Every regular file below dir, sorted by path (bytewise), so order is the same
 * everywhere; links are followed, hidden names left out. Freed by rj_list_free(). */
typedef struct rj_list {
    char **path;
    int n, room;
} rj_list;
rij_status rj_folder_list(const char *dir, rj_list *list);
void rj_list_free(rj_list *list);
double rj_now_s(void); /* monotonic clock */

/* ---- lock.c ----------------------------------------------------------------------- */

/* Make and lock the file `path`, which rj_lock_free() takes away again; it goes with a
 * process that is killed, but for its name. RIJ_E_FILE: `who` (a few words) holds it, in
 * this process or another, or it cannot be made; RIJ_E_MEMORY. */
typedef struct rj_lock rj_lock;
rij_status rj_lock_new(const char *path, const char *who, rj_lock **lock);
void rj_lock_free(rj_lock *lock); /* NULL is fine */

#endif
