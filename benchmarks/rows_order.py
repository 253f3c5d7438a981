"""Rows that move elements: scans, sorts, indexing, joins, copies, casts."""

from functools import partial

from benchmarks.row import Row, Work

# over v (1 M floats), t (1024x1024), w (256x1000), s (1000), i (int64, 1 M below 1000), x (32768x32, int64), y (uint8),
# b (bool), o (bfloat16)
SCANS = ("v.cumsum(0)", "t.cumsum(1)", "t.cumsum(0)", "s.cumsum(0)", "v.cumprod(0)", "t.cummax(1)",
         "s.sort()",
         "v.sort()", "t.sort(1)", "t.sort(0)", "v.argsort()", "i.sort()", "w.topk(10)", "v.topk(10)",
         "v.topk(1000)",
         "v.median()", "w.median(1)", "v.kthvalue(1000)", "w.kthvalue(10)", "x.kthvalue(3)", "x.median(1)", "y.kthvalue(3)", "i.unique()",
         "b.unique()", "y.unique(return_inverse=True)", "torch.histc(o, 100)", "i.bincount()",
         "torch.searchsorted(q, v)", "torch.histc(v, 100)")
# over t, v, w; j (1024 row numbers), k (1024x1024 column numbers), m (a mask of t), n (a mask of v)
INDEXING = ("t.gather(1, k)", "t.gather(0, k)", "t.index_select(0, j)", "t.index_select(1, j)", "t[j]",
            "t[:, j]",
            "t[j, j]", "v[e]", "t[m]", "t.masked_select(m)", "t.masked_fill(m, 0.0)", "m.nonzero()",
            "t.take(k)",
            "torch.where(m, t, 0.0)", "z.scatter(1, k, t)", "z.scatter_add(1, k, t)", "z.index_add(0, j, t)",
            "F.embedding(i, h)", "F.one_hot(j, 1024)")
# over t, u (1024x1024), c (64 tensors of 1 M / 64), b (bool), d (float64), i (int64)
COPIES = ("torch.cat((t, u))", "torch.cat((t, u), 1)", "torch.cat(c)", "torch.stack((t, u))",
          "torch.stack(c)",
          "torch.stack((t, u), 2)", "t.clone()", "t.t().contiguous()", "t[:, ::2].contiguous()",
          "g.fill_(1.0)",
          "g.copy_(t)", "g.copy_(t.t())", "torch.zeros(1 << 20)", "torch.arange(1 << 20)", "torch.arange(1 << 20, dtype=torch.int32)", "t.flip(0)",
          "t.flip(1)",
          "t.roll(5, 1)", "s.repeat(1000)", "r.expand(1024, 1024).contiguous()", "t.tril()", "t.unfold(1, 2, 1).contiguous()", "torch.cat((t[:, :8], t[:, 8:24]), 1)",
          "t.permute(1, 0).reshape(-1)",
          "torch.split(t, 64)", "t.double()", "d.float()", "t.long()", "l.float()", "t.half()",
          "t.bfloat16()",
          "o.float()", "b.float()", "t.bool()", "t.int()")


def names_of(torch):
    torch.manual_seed(0)
    v = torch.randn(1 << 20)
    t = v.reshape(1024, 1024)
    i = torch.randint(0, 1000, (1 << 20,))
    return {
        "torch": torch, "F": torch.nn.functional, "v": v, "t": t, "i": i, "u": torch.randn(1024, 1024),
        "w": torch.randn(256, 1000), "s": torch.randn(1000), "q": torch.randn(1000).sort()[0],
        "r": torch.randn(1, 1024),
        "j": torch.randperm(1024), "k": torch.randint(0, 1024, (1024, 1024)), "e": torch.randperm(1 << 20),
        "m": t > 0,
        "z": torch.zeros(1024, 1024), "h": torch.randn(1000, 16), "c": list(v.reshape(64, -1)),
        "g": torch.empty(1024, 1024),
        "x": i.reshape(32768, 32), "y": i.reshape(32768, 32).to(torch.uint8),
        "d": t.double(), "l": i.reshape(1024, 1024), "o": t.bfloat16(), "b": t > 1,
    }


def expression(text, torch):
    return Work(text, names=names_of(torch))


def rows():
    groups = (("scan and order", SCANS), ("indexing", INDEXING), ("copy", COPIES))
    return [Row(text, group, partial(expression, text)) for group, texts in groups for text in texts]
