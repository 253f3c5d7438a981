"""More programs for test_autograd.py: custom Functions, and grad and inference mode.  See autograd_programs.py."""

import json
import sys
import warnings

from autograd_programs import FIXTURE, data, leaf, outcome, plain, program, run_all

# ---------------------------------------------------------------- Function


def functions(torch):
    class Cube(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, scale=1.0):
            ctx.save_for_backward(x)
            ctx.scale = scale
            return scale * x * x * x

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return 3 * ctx.scale * x * x * g, None

    class Exp(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            y = x.exp()
            ctx.save_for_backward(y)
            return y

        @staticmethod
        def backward(ctx, g):
            return ctx.saved_tensors[0] * g

    return Cube, Exp


@program
def function_and_its_derivatives(torch):
    cube, exp = functions(torch)
    x = leaf(torch, 3)
    y = cube.apply(exp.apply(x), 2.0)
    (g,) = torch.autograd.grad(y.sum(), x, create_graph=True)
    (h,) = torch.autograd.grad(g.sum(), x, create_graph=True)
    return y, g, h, torch.autograd.grad(h.sum(), x), type(y.grad_fn).__name__, y.grad_fn.name()


@program
def function_arguments(torch):
    seen = []

    class Mix(torch.autograd.Function):
        @staticmethod
        def forward(ctx, a, text, b, numbers, c):
            seen.append(ctx.needs_input_grad)
            return a * numbers[0] + b * numbers[1]

        @staticmethod
        def backward(ctx, g):
            seen.append(ctx.needs_input_grad)
            return g, None, g * 2, None, None

    a, b = leaf(torch, 2), data(torch, 2)
    Mix.apply(a, "x", b, (2, 3), None).sum().backward()
    with torch.no_grad():
        y = Mix.apply(a, "x", b, (2, 3), None)
    return seen, a.grad, b.grad, y.requires_grad


@program
def function_with_setup_context(torch):
    class Scale(torch.autograd.Function):
        @staticmethod
        def forward(x, factor=3.0):
            return x * factor, factor

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.factor = inputs[1]
            ctx.count = len(output)

        @staticmethod
        def backward(ctx, g, nothing):
            return g * ctx.factor * ctx.count, None

    x = leaf(torch, 2)
    Scale.apply(x)[0].sum().backward()
    Scale.apply(x, factor=5.0)[0].sum().backward()
    return x.grad


@program
def function_outputs(torch):
    log = []

    class Split(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            mask = x > 0.2
            ctx.mark_non_differentiable(mask)
            return x * 2, x * 3, mask, "text", None

        @staticmethod
        def backward(ctx, *grads):
            log.append([plain(g) for g in grads])
            return grads[0] + grads[1]

    class Lazy(Split):
        @staticmethod
        def forward(ctx, x):
            ctx.set_materialize_grads(False)
            return x * 2, x * 3

        @staticmethod
        def backward(ctx, *grads):
            log.append([plain(g) for g in grads])
            return grads[0] * 7

    x = leaf(torch, 2)
    out = Split.apply(x)
    out[0].sum().backward()
    Lazy.apply(x)[0].sum().backward()
    return log, x.grad, [getattr(o, "requires_grad", o) for o in out], out[1].grad_fn is out[0].grad_fn, out[1].output_nr


@program
def function_in_place(torch):
    class Double(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.mark_dirty(x)
            return x.mul_(2)

        @staticmethod
        def backward(ctx, g):
            return g * 2

    class Forgetful(Double):
        @staticmethod
        def forward(ctx, x):
            ctx.mark_dirty(x)
            return x * 2

    x = leaf(torch, 2)
    y = x * 3
    z = Double.apply(y)
    (y * data(torch, 2)).sum().backward()
    return z is y, x.grad, outcome(lambda: Double.apply(x)), outcome(lambda: Forgetful.apply(x * 1))


@program
def function_changes_a_view(torch):
    """The view's base gets the history; only a first input and a lone output can be one."""

    class Scale(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, y):
            ctx.mark_dirty(x)
            ctx.save_for_backward(y)
            return x.mul_(2).add_(y)

        @staticmethod
        def backward(ctx, g):
            return g * 2, g * ctx.saved_tensors[0]

    class Two(Scale):
        @staticmethod
        def forward(ctx, x, y):
            ctx.mark_dirty(x)
            return x.mul_(2), y + 1

    x, y = leaf(torch, 4), leaf(torch, 2)
    base = x * 3
    view = base[:2]
    out = Scale.apply(view, y)
    (base * data(torch, 4)).sum().backward()
    plain_base = torch.ones(4, dtype=torch.float64)
    late = leaf(torch, 2)
    Scale.apply(plain_base[1:3], late)
    plain_base.sum().backward()
    return (out is view, base, x.grad, y.grad, out.grad_fn.name(), base.grad_fn.name(), late.grad, plain_base,
            outcome(lambda: Scale.apply(x[:2], y)), outcome(lambda: Scale.apply((x * 1).split(2)[0], y)),
            outcome(lambda: Two.apply((x * 1)[:2], y)))


@program
def captures_and_node_hooks(torch):
    """Tensor hooks change what grad returns where the node itself does not run; pre-hooks of nodes never do."""
    x, log = leaf(torch, 2), []
    y = x * 2
    y.register_hook(lambda g: (log.append("tensor"), g * 10)[1])
    y.grad_fn.register_prehook(lambda go: (log.append("pre"), (go[0] * 100,))[1])
    y.grad_fn.register_hook(lambda gi, go: log.append("post"))
    z = (y * 3).sum()
    both = torch.autograd.grad(z, [y, x], retain_graph=True)
    alone = torch.autograd.grad(z, [y], retain_graph=True)
    z.backward(inputs=[y], retain_graph=True)
    z.backward(inputs=[y])
    return both, alone, y.retains_grad, y.grad, x.grad, log


@program
def hooks_of_accumulators(torch):
    x, log = leaf(torch, 2), []
    y = x * 2
    x.register_hook(lambda g: log.append(("tensor", plain(g))))
    x.register_post_accumulate_grad_hook(lambda p: log.append(("accumulated", plain(p.grad))))
    node = y.grad_fn.next_functions[0][0]
    node.register_prehook(lambda go: (log.append("pre"), (go[0] * 5,))[1])
    handle = node.register_hook(lambda gi, go: log.append(("post", plain(gi), plain(go), plain(x.grad))))
    del node
    y.sum().backward(retain_graph=True)
    grad = torch.autograd.grad(y.sum(), x, retain_graph=True)
    handle.remove()
    y.sum().backward(retain_graph=True)
    y.grad_fn.next_functions[0][0].register_hook(lambda gi, go: (go[0],))
    return grad, outcome(lambda: y.sum().backward()), x.grad, log


@program
def function_returns_its_input(torch):
    class Same(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x

        @staticmethod
        def backward(ctx, g):
            return g * 5

    x = leaf(torch, 2)
    y = Same.apply(x)
    y.sum().backward()
    return y is x, x.grad, outcome(lambda: Same.apply(x * 1).mul_(2)), type(y.grad_fn).__name__


@program
def function_view_output(torch):
    class Flat(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.view(-1)

        @staticmethod
        def backward(ctx, g):
            return g.view(2, 2) * 3

    x = leaf(torch, 2, 2)
    Flat.apply(x * 1).sum().backward()
    return x.grad, outcome(lambda: Flat.apply(x * 1).mul_(2))


@program
def function_errors(torch):
    def run(backward, forward=lambda ctx, x, k=None: x * 2, args=()):
        body = {"forward": staticmethod(forward)}
        if backward is not None:
            body["backward"] = staticmethod(backward)
        cls = type("Broken", (torch.autograd.Function,), body)
        x = leaf(torch, 2)
        got = outcome(lambda: cls.apply(x, *args).sum().backward())
        return got, x.grad

    def raises(ctx, g):
        raise ZeroDivisionError("mine")

    return (
        run(lambda ctx, g: (g, g), args=(3,)),
        run(lambda ctx, g: (g,), args=(3,)),
        run(lambda ctx, g: (g, None, None), args=(3,)),
        run(lambda ctx, g: 5),
        run(lambda ctx, g: None),
        run(lambda ctx, g: torch.ones(3, dtype=torch.float64)),
        run(raises),
        run(None),
        run(lambda ctx, g: g, lambda ctx, x: (ctx.save_for_backward(3), x * 2)[1]),
        outcome(lambda: torch.autograd.Function.apply(leaf(torch, 2))),
    )


@program
def function_saves_what_changes(torch):
    cube, _ = functions(torch)
    x = leaf(torch, 2)
    a = x * 1
    y = cube.apply(a)
    a.mul_(2)
    z = cube.apply(x)
    z.sum().backward()
    return outcome(y.sum().backward), outcome(z.sum().backward), outcome(lambda: z.grad_fn.saved_tensors)


@program
def function_once_differentiable(torch):
    from_module = torch.autograd.function.once_differentiable

    class Once(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * x

        @staticmethod
        @from_module
        def backward(ctx, g):
            return g * 2

    x = leaf(torch, 2)
    (g,) = torch.autograd.grad((Once.apply(x) ** 2).sum(), x, create_graph=True)
    return g, g.requires_grad, outcome(lambda: torch.autograd.grad(g.sum(), x))


@program
def backward_inside_a_function(torch):
    class Inner(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            with torch.enable_grad():
                inside = x.detach().requires_grad_()
                result = (inside**3).sum()
            ctx.inside, ctx.result = inside, result
            return result.detach()

        @staticmethod
        def backward(ctx, g):
            ctx.result.backward(retain_graph=True)
            return ctx.inside.grad * g

    x = leaf(torch, 3)
    (Inner.apply(x * 2) * 5).backward()
    return x.grad


# ---------------------------------------------------------------- modes


@program
def modes(torch):
    x = leaf(torch, 2)
    states = [torch.is_grad_enabled()]
    with torch.no_grad():
        states += [torch.is_grad_enabled(), (x * 2).requires_grad]
        with torch.enable_grad():
            states += [torch.is_grad_enabled(), (x * 2).requires_grad]
        states.append(torch.is_grad_enabled())
    with torch.set_grad_enabled(False):
        states.append(torch.is_grad_enabled())
    states.append(torch.is_grad_enabled())
    torch.set_grad_enabled(False)
    states.append(torch.is_grad_enabled())
    torch.set_grad_enabled(True)
    with torch.inference_mode():
        states += [torch.is_grad_enabled(), torch.is_inference_mode_enabled(), (x * 2).requires_grad]
        with torch.inference_mode(False):
            states += [torch.is_grad_enabled(), torch.is_inference_mode_enabled()]
    try:
        with torch.no_grad():
            raise ValueError
    except ValueError:
        states.append(torch.is_grad_enabled())
    return states


@program
def modes_as_decorators(torch):
    x = leaf(torch, 2)

    @torch.no_grad()
    def plain_function(a, *, b=1):
        "doc"
        return a * b, torch.is_grad_enabled()

    @torch.no_grad
    def bare(a):
        return (a * 2).requires_grad

    @torch.set_grad_enabled(False)
    def set_off():
        return torch.is_grad_enabled()

    @torch.inference_mode()
    def inference():
        return torch.is_inference_mode_enabled()

    @torch.no_grad()
    def recursive(n):
        return [torch.is_grad_enabled()] + (recursive(n - 1) if n else [])

    class Model:
        @torch.no_grad()
        def predict(self, a):
            return (a * 2).requires_grad

    after_definition = torch.is_grad_enabled()
    return (
        plain_function(x, b=3)[0].requires_grad,
        plain_function(x)[1],
        plain_function.__name__,
        plain_function.__doc__,
        bare(x),
        set_off(),
        inference(),
        recursive(2),
        Model().predict(x),
        after_definition,
        torch.is_grad_enabled(),
    )


@program
def modes_around_generators(torch):
    log = []

    @torch.no_grad()
    def generator(n):
        try:
            for k in range(n):
                got = yield k, torch.is_grad_enabled()
                log.append(got)
            return "end"
        except KeyError:
            log.append(("caught", torch.is_grad_enabled()))
            yield "recovered", torch.is_grad_enabled()
        finally:
            log.append(("closed", torch.is_grad_enabled()))

    g = generator(3)
    log += [next(g), torch.is_grad_enabled(), g.send("sent"), g.throw(KeyError("x"))]
    g.close()
    log += list(generator(2))
    early = generator(2)
    next(early)
    early.close()
    return log, torch.is_grad_enabled()


if __name__ == "__main__":
    import torch

    warnings.simplefilter("ignore")
    FIXTURE.write_text(json.dumps(run_all(torch), indent=0) + "\n")
    sys.stdout.write(f"{FIXTURE}: PyTorch {torch.__version__}\n")
