/* onnx_cover.c: the crops that cover a picture, cut within the graph.
 *
 * How many there are along a side, and where, is integer arithmetic of the picture's
 * sides (rj_cover() in judge/predict.c); a loop thins the grid while it is too large.
 * Which row and column each pixel of a crop shows is arithmetic too, the reflection of
 * small pictures included (data/image.c): so two gathers cut all crops. */
#include "export/export.h"

static rj_value gather(rj_graph *g, rj_value x, rj_value places, int axis)
{
    const rj_value in[2] = {x, places};
    const rj_attribute a = {.name = "axis", .i = axis};

    return rj_node(g, "Gather", 2, in, 1, &a, NULL);
}

/* One number of a pair, (across, down) or (w, h). */
static rj_value of(rj_graph *g, rj_value pair, int which)
{
    return gather(g, pair, rj_integer(g, which), 0);
}

/* (a,b,..) -> (b,a) */
static rj_value turned(rj_graph *g, rj_value pair)
{
    return gather(g, pair, rj_integers(g, 2, (int64_t[]){1, 0}), 0);
}

static rj_value choose(rj_graph *g, rj_value condition, rj_value yes, rj_value no,
                       const char *out)
{
    const rj_value in[3] = {condition, yes, no};

    return rj_node(g, "Where", 3, in, 0, NULL, out);
}

/* Whether a grid has more than `most` crops. */
static rj_value too_large(rj_graph *g, rj_value grid, int most, const char *out)
{
    const rj_attribute a[2] = {{.name = "axes", .n = 1, .ints = {0}},
                               {.name = "keepdims"}};
    const rj_value in[2] = {rj_node(g, "ReduceProd", 1, &grid, 2, a, NULL),
                            rj_integer(g, most)};

    return rj_node(g, "Greater", 2, in, 0, NULL, out);
}

/* The loop's body: a column less where steps across are the shorter, else a row. */
static void thin(rj_graph *g, rj_value sides, int most)
{
    const rj_value grid = rj_named("thin_grid"), one = rj_integer(g, 1);
    const rj_value steps = rj_two(g, "Mul", sides, turned(g, grid)); // (w down, h across)
    const rj_value wide = rj_two(g, "LessOrEqual", of(g, steps, 0), of(g, steps, 1));
    const rj_value several = rj_two(g, "Greater", of(g, grid, 0), one);
    const rj_value column = rj_two(g, "Or", rj_two(g, "Equal", of(g, grid, 1), one),
                                   rj_two(g, "And", several, wide));
    const rj_value less = choose(g, column, rj_integers(g, 2, (int64_t[]){1, 0}),
                                 rj_integers(g, 2, (int64_t[]){0, 1}), NULL);
    const rj_value in[2] = {grid, less};
    const int64_t pair = 2;

    too_large(g, rj_node(g, "Sub", 2, in, 0, NULL, "thin_less"), most, "thin_on");
    rj_declare(g, true, "thin_step", RJ_INTS, 0, NULL, NULL);
    rj_declare(g, true, "thin_going", RJ_BOOLS, 0, NULL, NULL);
    rj_declare(g, true, "thin_grid", RJ_INTS, 1, &pair, NULL);
    rj_declare(g, false, "thin_on", RJ_BOOLS, 0, NULL, NULL);
    rj_declare(g, false, "thin_less", RJ_INTS, 1, &pair, NULL);
}

/* (across, down) of a picture of sides (w,h). */
static rj_value grid_of(rj_graph *g, rj_value sides, int crop, int most)
{
    const rj_value grid = rj_two(
        g, "Div", rj_two(g, "Add", sides, rj_integer(g, crop - 1)), rj_integer(g, crop));
    const rj_value in[3] = {rj_named(""), too_large(g, grid, most, NULL), grid};
    rj_graph body = {.prefix = "thin_"};
    const rj_attribute a = {.name = "body", .graph = &body};
    rj_value thinned;

    thin(&body, sides, most);
    thinned = rj_node(g, "Loop", 3, in, 1, &a, NULL);
    if (rj_graph_status(&body) != RIJ_OK)
        g->node.failed = true;
    rj_graph_free(&body);
    return thinned;
}

/* Where crop i of n begins: 0 where the side is no longer than a crop, in the middle
 * where there is one, else i (side - crop) / (n - 1). (n) */
static rj_value corners(rj_graph *g, rj_value side, rj_value n, int crop)
{
    const rj_value one = rj_integer(g, 1), zero = rj_integer(g, 0);
    const rj_value room =
        rj_two(g, "Max", rj_two(g, "Sub", side, rj_integer(g, crop)), zero);
    const rj_value range[3] = {zero, n, one};
    const rj_value i = rj_node(g, "Range", 3, range, 0, NULL, NULL);
    const rj_value steps = rj_two(g, "Max", rj_two(g, "Sub", n, one), one);
    const rj_value even = rj_two(g, "Div", rj_two(g, "Mul", i, room), steps);
    const rj_value middle = rj_two(g, "Div", room, rj_integer(g, 2));

    return choose(g, rj_two(g, "Equal", n, one), middle, even, NULL);
}

/* The row (or column) of the picture that each row of each crop shows: (n, crop). Place
 * i of a line of n that is reflected over and over is min(j, p - j), j = i mod p, with
 * p = 2 (n - 1). */
static rj_value places(rj_graph *g, rj_value corner, rj_value side, int crop)
{
    const rj_value in[2] = {corner, rj_integers(g, 1, (int64_t[]){1})};
    const rj_value range[3] = {rj_integer(g, 0), rj_integer(g, crop), rj_integer(g, 1)};
    const rj_value within = rj_node(g, "Range", 3, range, 0, NULL, NULL);
    const rj_value place =
        rj_two(g, "Add", rj_node(g, "Unsqueeze", 2, in, 0, NULL, NULL), within);
    const rj_value twice =
        rj_two(g, "Mul", rj_two(g, "Sub", side, rj_integer(g, 1)), rj_integer(g, 2));
    const rj_value period = rj_two(g, "Max", twice, rj_integer(g, 1));
    const rj_value there = rj_two(g, "Mod", place, period);

    return rj_two(g, "Min", there, rj_two(g, "Sub", period, there));
}

rj_value rj_onnx_crops(rj_graph *g, rj_value bytes)
{
    const rj_attribute order = {.name = "perm", .n = 4, .ints = {0, 3, 1, 2}};
    const rj_attribute to = {.name = "to", .i = RJ_FLOATS};
    const rj_value planar = rj_node(g, "Transpose", 1, &bytes, 1, &order, NULL);

    return rj_node(g, "Cast", 1, &planar, 1, &to, NULL);
}

rj_value rj_onnx_cover(rj_graph *g, rj_value image, int crop, int most)
{
    const rj_value shape = rj_one(g, "Shape", image);
    const rj_value sides = turned(g, shape);
    const rj_value grid = grid_of(g, sides, crop, most);
    rj_value place[2], cut;

    for (int i = 0; i < 2; i++) {
        const rj_value side = of(g, sides, i);

        place[i] = places(g, corners(g, side, of(g, grid, i), crop), side, crop);
    }
    // (H,W,3) -> (down,S,W,3) -> (down,S,across,S,3) -> (down,across,S,S,3)
    cut = gather(g, gather(g, image, place[1], 0), place[0], 2);
    {
        const rj_attribute order = {.name = "perm", .n = 5, .ints = {0, 2, 1, 3, 4}};
        const rj_value in[2] = {rj_node(g, "Transpose", 1, &cut, 1, &order, NULL),
                                rj_integers(g, 4, (int64_t[]){-1, crop, crop, 3})};

        return rj_onnx_crops(g, rj_node(g, "Reshape", 2, in, 0, NULL, NULL));
    }
}
