"""How each rival is trained. Two schedules: `ours`, that of rij_train(), alike for
all, and `paper`, that of the rival's paper as far as a few hundred steps of 64 crops
allow. What is part of the method (front-end, network, SAFE's jitter) is the same in
both."""

from collections import namedtuple

# optimiser: adamw (decay of the weights) or adam (decay added to the gradient)
# shape: cosine (behind a warm-up of 5 % of the steps), constant, steps (x 0.8 each fifth)
# mean: whether the running mean of the parameters is what is judged
# law: of rival_pixels
Schedule = namedtuple("Schedule", "optimiser rate beta decay shape mean law")

OURS = Schedule("adamw", 1e-3, 0.9, 1e-2, "cosine", True, "library")
PAPER = {
    # Wang et al. 2020: the rate falls when validation stalls, which is not reached here.
    "cnndetection": Schedule("adam", 1e-4, 0.9, 0.0, "constant", False, "blur-jpeg"),
    # Tan et al. 2024: x 0.8 every 10 of 50 epochs.
    "npr": Schedule("adam", 2e-4, 0.9, 0.0, "steps", False, "library"),
    # Li et al. 2024: 1e-2 for 256 crops a step, in proportion.
    "safe": Schedule("adamw", 2.5e-3, 0.9, 1e-2, "cosine", False, "library"),
    # Liang et al. 2025.
    "ferretnet": Schedule("adam", 2e-4, 0.937, 5e-4, "constant", False, "library"),
}
NETWORKS = tuple(PAPER)
RIVALS = NETWORKS + ("trivial",)


def schedule_of(name, which):
    """which: ours or paper. Boosted trees have no schedule."""
    return PAPER[name] if which == "paper" and name in PAPER else OURS
