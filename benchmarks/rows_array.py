"""Rows of whole arrays: products, elementwise functions, reductions, softmax, random numbers."""

from functools import partial

from benchmarks.row import Row, Work

SIZES = ((1 << 10, "1 K"), (1 << 14, "16 K"), (1 << 18, "256 K"), (1 << 20, "1 M"), (1 << 22, "4 M"),
         (1 << 24, "16 M"))
CACHED = 1 << 16  # from here on a row's share of the copy bandwidth is not the share of a call's cost
# batch, inputs, outputs of a Linear layer
LAYERS = ((1, 784, 512), (1, 512, 10), (32, 1, 10), (32, 10, 10), (64, 784, 128), (64, 512, 10),
          (128, 128, 10),
          (32, 784, 512), (64, 784, 512), (128, 784, 512), (256, 784, 512), (128, 512, 512))


def randn(torch, *shape):
    return torch.randn(*shape)


def product(left, right, torch):
    """left @ right; a shape with a trailing 't' is that of the transposed operand."""
    torch.manual_seed(0)
    x, y = (randn(torch, *shape[::-1]).t() if flipped else randn(torch, *shape) for shape,
            flipped in (left, right))
    return Work(lambda: x @ y)


def linear(batch, n_in, n_out, torch):
    torch.manual_seed(0)
    x, w, b = randn(torch, batch, n_in), randn(torch, n_out, n_in), randn(torch, n_out)
    f = torch.nn.functional.linear
    return Work(lambda: f(x, w, b))


def product_rows():
    for n in (64, 128, 256, 512, 1024, 2048):
        yield Row(f"{n}x{n} @ {n}x{n}", "product", partial(product, ((n, n), 0), ((n, n), 0)), flops=2 * n**3)
    for b, i, o in LAYERS:
        cost = 2 * b * i * o
        yield Row(f"linear {b}x{i} to {o}, forward", "product", partial(linear, b, i, o), flops=cost)
        if b > 1:
            yield Row(f"linear {b}x{i} to {o}, gradient of input", "product",
                      partial(product, ((b, o), 0), ((o, i), 0)), flops=cost)
            yield Row(f"linear {b}x{i} to {o}, gradient of weight", "product",
                      partial(product, ((o, b), 1), ((b, i), 0)), flops=cost)
    for n in (16, 64):
        yield Row(f"batch of 64 {n}x{n} @ {n}x{n}", "product",
                  partial(product, ((64, n, n), 0), ((64, n, n), 0)),
                  flops=128 * n**3)
    for n in (64, 512, 2048):
        yield Row(f"{n}x{n} @ vector", "product", partial(product, ((n, n), 0), ((n,), 0)), flops=2 * n * n)
        yield Row(f"vector @ {n}x{n}", "product", partial(product, ((n,), 0), ((n, n), 0)), flops=2 * n * n)
    for m, k in ((32768, 32), (32768, 64), (8192, 128)):
        yield Row(f"{m}x{k} @ vector", "product", partial(product, ((m, k), 0), ((k,), 0)), flops=2 * m * k)
    yield Row("vector @ vector, 1 M", "product", partial(product, ((1 << 20,), 0), ((1 << 20,), 0)),
              bytes=8 << 20)
    yield Row("512x512 @ 512x512, float64", "product", square64, flops=2 * 512**3)
    for dtype in ("int64", "int32", "uint8"):
        yield Row(f"512x512 @ 512x512, {dtype}", "product", partial(square_of_integers, dtype))
        yield Row(f"batch of 64 32x32 @ 32x32, {dtype}", "product", partial(batch_of_integers, dtype))


def square64(torch):
    torch.manual_seed(0)
    x, y = randn(torch, 512, 512).double(), randn(torch, 512, 512).double()
    return Work(lambda: x @ y)


def integers_below(limit, torch, *shape):
    torch.manual_seed(0)
    return torch.randint(0, limit, shape)


def square_of_integers(dtype, torch):
    x = integers_below(1000, torch, 512, 512).to(getattr(torch, dtype))
    return Work(lambda: x @ x.t())


def batch_of_integers(dtype, torch):
    x = integers_below(1000, torch, 64, 32, 32).to(getattr(torch, dtype))
    return Work(lambda: x @ x)


def elementwise(name, n, form, torch):
    """form: fresh (a new result), out (into a tensor), inplace."""
    torch.manual_seed(0)
    x, y, out = randn(torch, n), randn(torch, n), torch.empty(n)
    operands = (x, y) if name in ("add", "mul") else (x,)
    if name == "log":
        x.abs_()
    if form == "inplace":
        if len(operands) > 1:
            y.fill_(name == "mul")
        method = getattr(x, name + "_")
        return Work((lambda: method(y)) if len(operands) > 1 else method)
    f = getattr(torch, name, None) or getattr(torch.nn.functional, name)
    if form == "out":
        return Work(lambda: f(*operands, out=out))
    return Work((lambda: f(x, y)) if len(operands) > 1 else (lambda: f(x)))


def elementwise_rows():
    functions = ("add", "mul", "relu", "exp", "log", "tanh", "sigmoid", "gelu", "erf")
    for name in functions:
        traffic = 12 if name in ("add", "mul") else 8
        for n, text in SIZES:
            limit = traffic * n if n >= CACHED else 0
            yield Row(f"{name}, {text}", "elementwise", partial(elementwise, name, n, "fresh"), bytes=limit)
            if name in ("add", "mul", "relu"):
                yield Row(f"{name}_, {text}", "elementwise in place",
                          partial(elementwise, name, n, "inplace"),
                          bytes=limit)
            elif name != "gelu":
                yield Row(f"{name} with out=, {text}", "elementwise in place",
                          partial(elementwise, name, n, "out"),
                          bytes=limit)


# name, expression over x and y (1024x1024), p = |x|, d and e (x and p as float64), r (1024), c (1024x1), i (int64), bytes
OPERANDS = [
    ("x + row", "x + r", 8), ("x + column", "x + c", 8), ("row + column", "r + c", 4), ("x + 2", "x + 2", 8),
    ("x + y.t()", "x + y.t()", 12), ("x.t() + y.t()", "x.t() + y.t()", 12), ("x.t().exp()", "x.t().exp()", 8),
    ("every second column", "x[:, ::2] + y[:, ::2]", 6), ("every second row", "x[::2] + y[::2]", 6),
    ("x + integers", "x + i", 16), ("x > y", "x > y", 9), ("where", "torch.where(m, x, y)", 13),
    ("x ** 2", "x ** 2", 8), ("x ** 2.5", "x.abs() ** 2.5", 16), ("x / y", "x / y", 12),
    ("sqrt", "torch.sqrt(p)", 8),
    ("sin", "torch.sin(x)", 8), ("clamp", "x.clamp(-1, 1)", 8), ("lerp", "torch.lerp(x, y, 0.3)", 12),
    ("addcmul", "torch.addcmul(x, y, p)", 16), ("float64 exp", "d.exp()", 16),
    ("float64 tanh", "d.tanh()", 16),
    ("float64 log", "d.abs().log()", 32), ("float64 sigmoid", "d.sigmoid()", 16),
    ("float64 sin", "d.sin()", 16), ("float64 erf", "torch.erf(d)", 16), ("float64 sqrt", "e.sqrt()", 16),
    ("float64 gelu", "torch.nn.functional.gelu(d)", 16),
    ("float64 exp2", "d.exp2()", 16), ("float64 log2", "e.log2()", 16), ("float64 log10", "e.log10()", 16),
    ("float64 tan", "d.tan()", 16), ("float64 asin", "torch.asin(d / 8)", 32), ("float64 acos", "torch.acos(d / 8)", 32),
    ("float64 atan", "d.atan()", 16), ("float64 atan2", "torch.atan2(d, e)", 24), ("float64 sinh", "d.sinh()", 16),
    ("float64 cosh", "d.cosh()", 16), ("float64 atanh", "torch.atanh(d / 8)", 32),
    ("float64 hypot", "torch.hypot(d, e)", 24), ("float64 xlogy", "torch.xlogy(d, e)", 24),
    ("tan", "x.tan()", 8), ("log2", "p.log2()", 8), ("log10", "p.log10()", 8),
    ("float64 add", "d + d", 16),
    ("remainder of floats", "x % 3", 8), ("floor division of floats", "x // p", 12), ("fmod", "torch.fmod(x, p)", 12),
    ("int64 floor division", "i // 3", 16), ("int64 floor divisions", "i // (i + 1)", 40), ("int64 remainder", "i % 3", 16),
    ("int32 remainders", "torch.remainder(n, n + 1)", 20),
    ("int64 @ vector", "i @ i[0]", 8), ("int32 @ vector", "n @ n[0]", 4), ("uint8 @ vector", "u @ u[0]", 1),
    ("not", "~m", 2), ("and", "m & m", 3), ("float32 to uint8", "p.to(torch.uint8)", 5), ("bfloat16 add", "f + f", 4),
    ("int64 add", "i + i", 16), ("float16 add", "h + h", 4), ("bfloat16 exp", "f.exp()", 4),
]


def matrix_names(torch):
    torch.manual_seed(0)
    x, y = randn(torch, 1024, 1024), randn(torch, 1024, 1024)
    integers = torch.arange(1 << 20).reshape(1024, 1024) % 1000
    return {
        "torch": torch, "x": x, "y": y, "r": randn(torch, 1024), "c": randn(torch, 1024, 1), "i": integers,
        "n": integers.int(), "u": integers.to(torch.uint8), "m": x > 0, "p": x.abs(), "d": x.double(), "e": x.abs().double(), "h": x.half(), "f": x.bfloat16(),
    }


def expression(text, torch):
    return Work(text, names=matrix_names(torch))


def shaped(text, shape, dtype, torch):
    """An expression over t, a tensor of this shape; k are class numbers for its rows."""
    torch.manual_seed(0)
    t = randn(torch, *shape).to(getattr(torch, dtype))
    k = torch.randint(0, shape[-1], shape[:1])
    return Work(text, names={"torch": torch, "F": torch.nn.functional, "t": t, "k": k})


MATRICES = ((64, 10), (32768, 32), (4096, 256), (1024, 1024))


def reduction_rows():
    for text in ("t.sum()", "t.mean()", "t.amax()", "t.argmax()", "t.max()", "t.std()", "t.prod()",
                 "t.norm()"):
        for n, size in ((1 << 10, "1 K"), (1 << 20, "1 M")):
            yield Row(f"{text}, {size}", "reduction", partial(shaped, text, (n,), "float32"),
                      bytes=4 * n * (n > CACHED))
    for text in ("t.sum(1)", "t.sum(0)", "t.amax(1)", "t.amax(0)", "t.max(1)", "t.argmax(1)", "t.mean(1)",
                 "t.std(1)",
                 "t.std(0)", "t.logsumexp(1)"):
        for r, c in MATRICES:
            yield Row(f"{text}, {r}x{c}", "reduction", partial(shaped, text, (r, c), "float32"),
                      bytes=4 * r * c * (r * c > CACHED))
    for text, dtype, size in (("t.sum()", "float64", 8), ("t.sum(1)", "float64", 8), ("t.sum()", "int64", 8),
                              ("t.sum(0)", "int64", 8), ("t.sum()", "bfloat16", 2),
                              ("t.sum(1)", "bfloat16", 2), ("t.sum(0)", "float16", 2), ("t.sum()", "bool", 1),
                              ("(t > 9).any()", "float32", 4),
                              ("(t > 0).sum()", "float32", 4)):
        yield Row(f"{text}, 1024x1024, {dtype}", "reduction", partial(shaped, text, (1024, 1024), dtype),
                  bytes=size << 20)


def softmax_rows():
    backward = "t.requires_grad_(); F.cross_entropy(t, k).backward()"
    gradient = "torch.autograd.grad(F.cross_entropy(t.requires_grad_(), k), t)[0]"
    for r, c in ((64, 10), (32768, 32), (256, 1000), (1024, 1024)):
        size = 8 * r * c * (r * c > CACHED)
        for name, text in (("softmax", "t.softmax(1)"), ("log_softmax", "t.log_softmax(1)")):
            yield Row(f"{name}, {r}x{c}", "softmax", partial(shaped, text, (r, c), "float32"), bytes=size)
            yield Row(f"{name}, {r}x{c}, float64", "softmax", partial(shaped, text, (r, c), "float64"),
                      bytes=2 * size)
        yield Row(f"cross_entropy, {r}x{c}", "softmax",
                  partial(shaped, "F.cross_entropy(t, k)", (r, c), "float32"))
        yield Row(f"cross_entropy with backward, {r}x{c}", "softmax",
                  partial(both, backward, gradient, (r, c)))
    yield Row("softmax over columns, 1024x1024", "softmax",
              partial(shaped, "t.softmax(0)", (1024, 1024), "float32"),
              bytes=8 << 20)
    for r, c in ((32768, 32), (1024, 1024)):
        yield Row(f"nll_loss, {r}x{c}", "softmax", partial(shaped, "F.nll_loss(t, k)", (r, c), "float32"))
    yield Row("mse_loss, 1 M", "softmax", partial(shaped, "F.mse_loss(t, t)", (1 << 20,), "float32"),
              bytes=4 << 20)


def both(statement, check, shape, torch):
    return Work(statement, check, shaped("", shape, "float32", torch).names)


# expression over x, 1 M floats
RANDOM = ("torch.rand(1 << 10)", "torch.rand(1 << 20)", "torch.rand(1 << 24)", "torch.randn(1 << 10)",
          "torch.randn(1 << 20)", "torch.randn(1 << 24)", "torch.rand(1 << 20, dtype=torch.float64)",
          "torch.randint(0, 10, (1 << 20,))", "torch.randperm(1000)", "torch.randperm(1 << 20)",
          "F.dropout(x, 0.5)", "torch.bernoulli(p)", "torch.multinomial(p, 1000)",
          "torch.normal(0.0, 1.0, (1 << 20,))")


def random(text, torch):
    torch.manual_seed(0)
    x = randn(torch, 1 << 20)
    names = {"torch": torch, "F": torch.nn.functional, "x": x, "p": x.sigmoid()}

    def seeded():
        torch.manual_seed(0)
        return eval(text, names)

    return Work(text, seeded, names)


def rows():
    made = [*product_rows(), *elementwise_rows()]
    made += [Row(f"{name}, 1024x1024", "operands", partial(expression, text), bytes=traffic << 20)
             for name, text, traffic in OPERANDS]
    made += [*reduction_rows(), *softmax_rows()]
    made += [Row(text, "random", partial(random, text)) for text in RANDOM]
    return made
