/* cubinfo_table.c: the columns of a kernel and its launch, by name, and how they are
 * printed. */
#include "cubinfo.h"
#include <stddef.h>
#include <string.h>

#define AT(field) offsetof(row, field)

/* Columns that are numbers of a row; kernel's own and instruction counts come below. */
static const struct {
    const char *name;
    enum column kind;
    size_t at;
    double unit;
} columns[] = {
    {"occ", COLUMN_BLOCK, AT(occ.share), 1},
    {"loop_issue", COLUMN_KERNEL, AT(cycles.issue), 1},
    {"loop_fp32", COLUMN_KERNEL, AT(cycles.fp32), 1},
    {"loop_tensor", COLUMN_KERNEL, AT(cycles.tensor), 1},
    {"loop_shared", COLUMN_KERNEL, AT(cycles.shared), 1},
    {"loop_share", COLUMN_KERNEL, AT(cycles.share), 1},
    {"time_us", COLUMN_LAUNCH, AT(roof.time), 1e6},
    {"tensor_us", COLUMN_LAUNCH, AT(roof.t[BOUND_TENSOR]), 1e6},
    {"fp32_us", COLUMN_LAUNCH, AT(roof.t[BOUND_FP32]), 1e6},
    {"shared_us", COLUMN_LAUNCH, AT(roof.t[BOUND_SHARED]), 1e6},
    {"l2_us", COLUMN_LAUNCH, AT(roof.t[BOUND_L2]), 1e6},
    {"dram_us", COLUMN_LAUNCH, AT(roof.t[BOUND_DRAM]), 1e6},
    {"issue_us", COLUMN_LAUNCH, AT(roof.t[BOUND_ISSUE]), 1e6},
    {"latency_us", COLUMN_LAUNCH, AT(roof.t[BOUND_LATENCY]), 1e6},
    {"waves", COLUMN_LAUNCH, AT(roof.waves), 1},
    {"quantisation", COLUMN_LAUNCH, AT(roof.quantisation), 1},
    {"trips", COLUMN_LAUNCH, AT(roof.trips), 1},
    {"roof", COLUMN_LAUNCH, AT(roof.roof), 1},
    {"peak", COLUMN_LAUNCH, AT(roof.peak), 1},
};
enum { COLUMNS = sizeof columns / sizeof *columns };

/* Columns of instructions in the tab-separated table, and in assertions like all others.
 */
static const char *const counted[] = {
    "FFMA",      "HMMA",   "HGMMA", "LDG8",  "LDG16",  "LDG32",    "LDG64",
    "LDG128",    "STG8",   "STG16", "STG32", "STG64",  "STG128",   "LDS32",
    "LDS64",     "LDS128", "STS32", "STS64", "STS128", "LDGSTS32", "LDGSTS64",
    "LDGSTS128", "LDSM",   "SHFL",  "BAR",   "MUFU",   "CALL",
};
enum { COUNTED = sizeof counted / sizeof *counted };

/* A kernel's own number. */
static bool kernel_value(const row *r, const char *name, double *value)
{
    const kernel *k = r->k;
    double loads, stores;

    sass_count(&k->all, "LDL", &loads);
    sass_count(&k->all, "STL", &stores);
    const struct {
        const char *name;
        double value;
    } own[] = {
        {"sm", k->arch},
        {"regs", k->registers},
        {"smem", k->shared},
        {"stack", k->stack},
        {"spill", loads + stores},
        {"max_threads", k->max_threads},
        {"insts", k->all.insts},
        {"other", k->all.other},
        {"other_share", k->all.insts ? 100.0 * k->all.other / k->all.insts : 0},
        {"loop_insts", k->loop.insts},
        {"loop_stall", k->loop.stall},
    };

    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (strcmp(own[i].name, name) == 0) {
            *value = own[i].value;
            return true;
        }
    if (strncmp(name, "loop_", 5) == 0)
        return sass_count(&k->loop, name + 5, value);
    return sass_count(&k->all, name, value);
}

/* What a block's size or the launch decides, that is not a double of the row. */
static enum column launch_value(const row *r, const char *name, double *value)
{
    const struct {
        const char *name;
        enum column kind;
        double value;
    } own[] = {
        {"threads", COLUMN_BLOCK, r->threads},
        {"shared", COLUMN_BLOCK, r->shared},
        {"blocks", COLUMN_BLOCK, r->occ.blocks},
        {"bound", COLUMN_LAUNCH, r->roof.bound},
        {"grid", COLUMN_LAUNCH, r->l ? r->l->grid_blocks : 0},
        {"launches", COLUMN_LAUNCH, r->l ? r->l->launches : 0},
        {"wavefronts", COLUMN_LAUNCH, r->l ? r->l->shared_wavefronts : 0},
        {"read_sectors", COLUMN_LAUNCH, r->l ? r->l->read_sectors : 0},
        {"write_sectors", COLUMN_LAUNCH, r->l ? r->l->write_sectors : 0},
    };

    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (strcmp(own[i].name, name) == 0) {
            *value = own[i].value;
            return own[i].kind;
        }
    return COLUMN_NONE;
}

enum column row_value(const row *r, const char *name, double *value)
{
    const char *end = name + strlen(name);
    char plain[64];

    if (end - name > 5 &&
        (strcmp(end - 5, "_a100") == 0 || strcmp(end - 5, "_h100") == 0))
        end -= 5;
    snprintf(plain, sizeof plain, "%.*s", (int)(end - name), name);
    for (int c = 0; c < COLUMNS; c++)
        if (strcmp(columns[c].name, plain) == 0) {
            *value = *(const double *)(const void *)((const char *)r + columns[c].at);
            *value *= columns[c].unit;
            return columns[c].kind;
        }
    if (kernel_value(r, plain, value))
        return COLUMN_KERNEL;
    return launch_value(r, plain, value);
}

static double value_of(const row *r, const char *name)
{
    double value = 0;

    row_value(r, name, &value);
    return value;
}

/* LDG128/LDG64/all narrower ones. */
static void by_width(const row *r, const char *name, char *out, size_t size)
{
    char wide[16];
    double all = value_of(r, name), n[2];

    for (int i = 0; i < 2; i++) {
        snprintf(wide, sizeof wide, "%s%d", name, i ? 64 : 128);
        n[i] = value_of(r, wide);
        all -= n[i];
    }
    snprintf(out, size, "%.0f/%.0f/%.0f", n[0], n[1], all);
}

/* The first of a kernel's rows: they follow each other. */
static bool first_of_kernel(const rows *all, size_t i)
{
    return i == 0 || all->r[i].k != all->r[i - 1].k;
}

static int name_width(const rows *all)
{
    size_t width = 6;

    for (size_t i = 0; i < all->n; i++)
        if (strlen(all->r[i].k->name) > width)
            width = strlen(all->r[i].k->name);
    return (int)width;
}

static void print_kernels(const rows *all, int width, FILE *out)
{
    static const char *const sized[] = {"LDG", "STG", "LDS", "STS", "LDGSTS"};
    static const char *const plain[] = {"LDSM", "SHFL", "BAR", "MUFU", "CALL"};

    fprintf(out, "Kernels. Accesses by width: 128/64/less bits. spill: local loads and "
                 "stores. shared: bytes.\n");
    fprintf(out, "%-*s  sm regs shared spill threads blocks/SM occ. limit    ", width,
            "kernel");
    fprintf(out, " insts  FFMA  HMMA HGMMA");
    for (size_t s = 0; s < sizeof sized / sizeof *sized; s++)
        fprintf(out, " %9s", sized[s]);
    for (size_t s = 0; s < sizeof plain / sizeof *plain; s++)
        fprintf(out, " %4s", plain[s]);
    fprintf(out, " other\n");
    for (size_t i = 0; i < all->n; i++) {
        const row *r = &all->r[i];
        char text[64];

        if (!first_of_kernel(all, i))
            continue;
        fprintf(out, "%-*s %3d %4d %6.0f %5.0f %7d ", width, r->k->name, r->k->arch,
                r->k->registers, r->shared, value_of(r, "spill"), r->threads);
        if (r->c)
            fprintf(out, "%9d %3.0f%% %-9s", r->occ.blocks, r->occ.share, r->occ.limit);
        else
            fprintf(out, "%9s %4s %-9s", "-", "-", "-");
        fprintf(out, " %5u %5.0f %5.0f %5.0f", r->k->all.insts, value_of(r, "FFMA"),
                value_of(r, "HMMA"), value_of(r, "HGMMA"));
        for (size_t s = 0; s < sizeof sized / sizeof *sized; s++) {
            by_width(r, sized[s], text, sizeof text);
            fprintf(out, " %9s", text);
        }
        for (size_t s = 0; s < sizeof plain / sizeof *plain; s++)
            fprintf(out, " %4.0f", value_of(r, plain[s]));
        fprintf(out, " %4.1f%%\n", value_of(r, "other_share"));
    }
}

static const char loop_notes[] =
    "\n"
    "The hottest loop, one round of a warp: instructions, and the cycles each pipe is "
    "busy\n"
    "on one of the SM's four partitions. Shared memory serves all four, here with no "
    "two\n"
    "lanes at one address (the worst case). share: arithmetic over the busiest pipe, "
    "the\n"
    "most this loop can reach. stall: the least a lone warp takes. Estimates.\n";

static void print_loops(const rows *all, int width, FILE *out)
{
    fputs(loop_notes, out);
    fprintf(out, "%-*s  sm insts  FFMA  HMMA HGMMA stall", width, "kernel");
    fprintf(out, " issue  fp32 tensor shared busiest share\n");
    for (size_t i = 0; i < all->n; i++) {
        const row *r = &all->r[i];

        if (!first_of_kernel(all, i) || r->k->loop_first < 0)
            continue;
        fprintf(out, "%-*s %3d %5u %5.0f %5.0f %5.0f %5u", width, r->k->name, r->k->arch,
                r->k->loop.insts, value_of(r, "loop_FFMA"), value_of(r, "loop_HMMA"),
                value_of(r, "loop_HGMMA"), r->k->loop.stall);
        if (r->c)
            fprintf(out, " %5.0f %5.0f %6.0f %6.0f %-7s %4.0f%%", r->cycles.issue,
                    r->cycles.fp32, r->cycles.tensor, r->cycles.shared, r->cycles.bound,
                    r->cycles.share);
        fprintf(out, "\n");
    }
}

static const char roof_notes[] =
    "\n"
    "One launch, in microseconds. These are estimates, made of a simulated launch and a\n"
    "table of cards; no GPU was asked. Each bound is what the launch would take if "
    "nothing\n"
    "else took time; the longest is the time. Waiting for memory, the launch itself and\n"
    "clocks that drop are in none of them.\n";
static const char roof_legend[] =
    "  uneven   the busiest SM's blocks over the mean; in tensor to shared, issue and "
    "l2\n"
    "  l2       all sectors, as if L1 kept nothing\n"
    "  dram     each distinct sector once; * they exceed L2, so some may come again\n"
    "  latency  rounds of a warp one after the other, at the compiler's stalls, by wave\n"
    "  roof     the ideal (arithmetic or dram, SMs evenly busy) over the time; peak: "
    "the\n"
    "           same with the data sheet's tensor rate\n"
    "  rounds   of the hottest loop, all warps; what of the log they were read from\n";

static void print_cards(FILE *out)
{
    for (int arch = 80; arch <= 90; arch += 10) {
        const card *c = card_of(arch);
        const double tera = 1e12, share = c->mma_share;

        fprintf(out, "  sm_%d    %s: %.0f SMs, %.2f GHz; TFLOP/s: ", arch, c->name,
                c->sms, c->clock / 1e9);
        fprintf(out, "%.1f fp32, %.0f tf32, %.0f bf16 (dense);\n", c->fp32 / tera,
                c->tf32 / tera, c->bf16 / tera);
        fprintf(out, "           %.0f GB/s; L2: %.1f TB/s (assumed)\n", c->dram / 1e9,
                c->l2 / tera);
        if (share < 1)
            fprintf(
                out,
                "           mma.sync: %.0f%% of the tensor rate (assumed), %.0f tf32, "
                "%.0f bf16; the rest is wgmma's\n",
                100 * share, share * c->tf32 / tera, share * c->bf16 / tera);
    }
}

static void print_roofs(const rows *all, int width, FILE *out)
{
    fputs(roof_notes, out);
    print_cards(out);
    fputs(roof_legend, out);
    fprintf(out, "%-*s  sm    grid threads blocks/SM  waves uneven", width, "kernel");
    for (int b = 0; b < BOUNDS; b++)
        fprintf(out, " %8s%s", bound_names[b], b == BOUND_DRAM ? " " : "");
    fprintf(out, "     time bound   roof peak rounds\n");
    for (size_t i = 0; i < all->n; i++) {
        const row *r = &all->r[i];
        const roof *f = &r->roof;
        bool much;

        if (!r->l || !r->c)
            continue;
        fprintf(out, "%-*s %3d %7.0f %7d %9d ", width, r->k->name, r->k->arch,
                r->l->grid_blocks, r->threads, r->occ.blocks);
        if (r->occ.blocks == 0) {
            fprintf(out, "does not fit: %s\n", r->occ.limit);
            continue;
        }
        much = (r->l->unique_read_sectors + r->l->unique_write_sectors) * 32 >
               r->c->l2_bytes;
        fprintf(out, "%6.2f %6.2f", f->waves, f->quantisation);
        for (int b = 0; b < BOUNDS; b++)
            fprintf(out, " %8.2f%s", f->t[b] * 1e6,
                    b != BOUND_DRAM ? ""
                    : much          ? "*"
                                    : " ");
        fprintf(out, " %8.2f %-7s %4.2f %4.2f %.0f %s\n", f->time * 1e6,
                bound_names[f->bound], f->roof, f->peak, f->trips, f->trips_by);
    }
}

void print_tables(const rows *all, FILE *out)
{
    const int width = name_width(all);
    bool launched = false, strange = false;

    for (size_t i = 0; i < all->n; i++) {
        launched |= all->r[i].l != NULL;
        strange |= all->r[i].c == NULL;
    }
    print_kernels(all, width, out);
    if (strange)
        fprintf(out, "- : no card of this architecture in the table of roofline.c.\n");
    print_loops(all, width, out);
    if (launched)
        print_roofs(all, width, out);
}

void print_tsv(const rows *all, FILE *out)
{
    static const char *const first[] = {
        "sm",        "regs",      "smem",       "stack", "spill",       "max_threads",
        "threads",   "shared",    "blocks",     "insts", "other_share", "loop_insts",
        "loop_FFMA", "loop_HMMA", "loop_stall", "grid",  "launches"};
    enum { FIRST = sizeof first / sizeof *first };

    for (size_t i = 0; i <= all->n; i++) {
        const row *r = i ? &all->r[i - 1] : NULL;

        fprintf(out, "%s", r ? r->k->name : "kernel");
        for (int c = 0; c < FIRST + COUNTED + COLUMNS; c++) {
            const char *name = c < FIRST             ? first[c]
                               : c < FIRST + COUNTED ? counted[c - FIRST]
                                                     : columns[c - FIRST - COUNTED].name;
            double value = 0;
            const enum column kind = r ? row_value(r, name, &value) : COLUMN_NONE;

            if (!r)
                fprintf(out, "\t%s", name);
            else if (kind == COLUMN_LAUNCH && !r->l)
                fprintf(out, "\t-");
            else
                fprintf(out, "\t%.6g", value);
        }
        fprintf(out, "\t%s\n", !r ? "bound" : r->l ? bound_names[r->roof.bound] : "-");
    }
}
