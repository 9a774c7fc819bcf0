"""Contrastive losses and their gradients as PyTorch computes them, in float64.

    python3 test/golden/make_contrast.py > test/golden/contrast.inc

SupCon is written as its authors' public formula has it (mean over positives outside the
logarithm), NT-Xent as cross entropy over the other rows, the soft form as docs/math.md has
it; gradients are PyTorch's own. A row of C text per case: name, m, d, df, tau, tau_s,
alpha, beta, loss, then z, label, pair, role, weight, f and dz.
"""
import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(20240326)
NEVER = -1e300


def supcon(z, label, tau):
    s = z @ z.t() / tau
    m = len(z)
    off = ~torch.eye(m, dtype=torch.bool)
    log_p = s - torch.logsumexp(s.masked_fill(~off, NEVER), 1, keepdim=True)
    positive = (label[:, None] == label[None]) & off
    return -(log_p * positive).sum(1).div(positive.sum(1)).mean()


def nt_xent(z, pair, tau):
    s = (z @ z.t() / tau).masked_fill(torch.eye(len(z), dtype=torch.bool), NEVER)
    return torch.nn.functional.cross_entropy(s, pair)


def soft(z, label, pair, role, weight, f, tau, tau_s, alpha, beta):
    m = len(z)
    trace = role == 1
    off = ~torch.eye(m, dtype=torch.bool) & ~(trace[:, None] & trace[None])
    s = z @ z.t() / tau
    log_p = s - torch.logsumexp(s.masked_fill(~off, NEVER), 1, keepdim=True)
    w = f @ f.t() / tau_s

    def softmax(a, keep):
        return torch.softmax(w[a].masked_fill(~keep, NEVER), 0) * keep

    loss = 0
    for a in range(m):
        same = off[a] & (label == label[a])
        if trace[a]:
            q = softmax(a, same & ~trace)
        elif label[a] == 0:
            q = (1 - alpha) * softmax(a, same & ~trace) + alpha * softmax(a, same & trace)
        else:
            q = beta * softmax(a, same)
            q[pair[a]] += 1 - beta
        loss = loss - weight[a] * (q * log_p[a].masked_fill(~off[a], 0)).sum()
    return loss


def numbers(x):
    return "{" + ", ".join("%.17g" % v for v in x.detach().flatten().tolist()) + "}"


def emit(name, u, label, pair, role, weight, f, tau, tau_s, alpha, beta, loss):
    (g,) = torch.autograd.grad(loss, u)
    m, d = u.shape
    df = 0 if f is None else f.shape[1]
    f = torch.zeros(1) if f is None else f
    print('{"%s", %d, %d, %d, %.17g, %.17g, %.17g, %.17g, %.17g,' %
          (name, m, d, df, tau, tau_s, alpha, beta, loss.item()))
    for x in (u, label, pair, role, weight, f):
        print(" " + numbers(x.double()) + ",")
    print(" " + numbers(g) + "},")


m, d = 12, 6
u = torch.randn(m, d, requires_grad=True)
z = u / u.norm(dim=1, keepdim=True)
label = torch.tensor([0, 0, 0, 1, 1, 1] * 2)
pair = torch.cat([torch.arange(6, 12), torch.arange(0, 6)])
none, image = torch.full((m,), -1), torch.zeros(m, dtype=torch.long)
even = torch.full((m,), 1.0 / m)
emit("supcon", u, label, none, image, even, None, 0.1, 0.2, -1, -1, supcon(z, label, 0.1))
emit("nt_xent", u, torch.ones(m), pair, image, even, None, 0.1, 0.2, 0, 0,
     nt_xent(u / u.norm(dim=1, keepdim=True), pair, 0.1))

t = torch.randn(2, d)
u2 = torch.cat([u.detach(), t / t.norm(dim=1, keepdim=True)]).requires_grad_()
z2 = u2 / u2.norm(dim=1, keepdim=True)
label2, pair2 = torch.cat([label, torch.zeros(2)]), torch.cat([pair, torch.tensor([-1, -1])])
role2 = torch.cat([image, torch.ones(2, dtype=torch.long)])
weight2 = torch.cat([torch.full((m,), 0.8 / m), torch.full((2,), 0.1)])
f2 = torch.randn(m + 2, 5)
f2 = f2 / f2.norm(dim=1, keepdim=True)
emit("soft", u2, label2, pair2, role2, weight2, f2, 0.1, 0.2, 0.5, 0.5,
     soft(z2, label2, pair2, role2, weight2, f2, 0.1, 0.2, 0.5, 0.5))
