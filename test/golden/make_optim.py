"""Three steps of PyTorch's optimisers, in double, as C text.

    python3 test/golden/make_optim.py > test/golden/optim.inc

The parameter starts at w[i] = 0.5 - 0.25 i and step t = 1, 2, 3 is given the gradient
g[i] = 0.3 i - 0.2 t + 0.1; rates are 0.1, 0.05, 0.02.
"""
import torch

RATES = (0.1, 0.05, 0.02)


def run(name, make):
    w = torch.nn.Parameter(0.5 - 0.25 * torch.arange(5, dtype=torch.float64))
    optimiser = make([w])
    for t, rate in enumerate(RATES, 1):
        optimiser.param_groups[0]["lr"] = rate
        w.grad = 0.3 * torch.arange(5, dtype=torch.float64) - 0.2 * t + 0.1
        optimiser.step()
    numbers = ", ".join("%.17g" % x for x in w.detach().tolist())
    print("static const double golden_%s[5] = {%s};" % (name, numbers))


print("/* Made by make_optim.py with PyTorch %s. */" % torch.__version__.split("+")[0])
run("sgd", lambda p: torch.optim.SGD(p, lr=1, momentum=0.9, weight_decay=0.02))
run("adamw", lambda p: torch.optim.AdamW(p, lr=1, betas=(0.9, 0.999), eps=1e-8,
                                         weight_decay=0.03))
