"""What asking for an absent name says: that it is not there, which part of PyTorch it belongs to if that part
is missing as a whole, the module that has the name, or the nearest name that is there."""

# Names, with * for any ending, and what they belong to.
_PARTS = (
    (
        "convolutions and pooling",
        "Conv* LazyConv* conv* Max* max_* Avg* avg_pool* Adaptive* adaptive_* Fold Unfold Upsample* "
        "interpolate grid_sample affine_grid Pixel* pixel_*",
    ),
    (
        "normalisation layers",
        "BatchNorm* LazyBatchNorm* LayerNorm GroupNorm InstanceNorm* RMSNorm SyncBatchNorm batch_norm "
        "layer_norm group_norm instance_norm rms_norm",
    ),
    ("recurrent layers", "RNN* LSTM* GRU* rnn"),
    (
        "attention layers",
        "MultiheadAttention Transformer* scaled_dot_product_attention multi_head_attention_forward",
    ),
    ("distributed training", "DataParallel DistributedDataParallel distributed parallel DistributedSampler"),
    ("probability distributions", "distributions"),
    (
        "matrix decompositions",
        "svd svdvals qr det logdet slogdet inverse inv pinv pinverse solve solve_triangular lstsq eig "
        "eigh eigvals eigvalsh cholesky cholesky_* lu lu_* matrix_exp matrix_rank cond lobpcg",
    ),
    (
        "complex numbers",
        "complex complex64 complex128 polar view_as_complex view_as_real cfloat cdouble fft stft istft",
    ),
    ("unsigned integers wider than uint8", "uint16 uint32 uint64"),
    ("sparse tensors", "sparse sparse_* spmm smm hspmm"),
    ("graph capture and export", "jit fx onnx export library ops nested"),
    ("profiling and logging tools", "profiler tensorboard benchmark"),
    (
        "packed sequences",
        "PackedSequence pack_padded_sequence pad_packed_sequence pack_sequence unpack_sequence",
    ),
)

_SENTENCES = {
    "func": "ctorch has no function transforms yet; autograd.functional has jacobian, hessian, jvp and vjp",
    "vmap": "ctorch has no vmap yet; an op over a batch dimension, or stack() of a loop's results, does its work",
    "save": "ctorch does not write files yet; pickle.dump(obj, file) stores tensors, modules and state_dicts",
    "load": "ctorch does not read files yet; pickle.load(file) reads what pickle.dump wrote",
}


def _error(text: str, name: str) -> AttributeError:
    """With obj given, a traceback does not add a suggestion of Python's own."""
    return AttributeError(text, name=name, obj=None)


# Where a name is looked for that the asked module lacks, the likeliest first.
_HOMES = ("ctorch", "ctorch.nn", "ctorch.nn.functional", "ctorch.optim", "ctorch.optim.lr_scheduler", "ctorch.utils.data",
          "ctorch.nn.init", "ctorch.nn.utils", "ctorch.autograd", "ctorch.autograd.functional", "ctorch.linalg",
          "ctorch.special")


def _elsewhere(module: str, name: str) -> "list[str]":
    """The functions and classes of other modules that have this name, but for the case of its letters."""
    from importlib import import_module

    found = []
    for home in _HOMES:
        owner = import_module(home)
        late = [n for names in vars(owner).get("_LATE", {}).values() for n in names]
        found += [f"{home}.{n}" for n in [*vars(owner), *late]
                  if home != module and n.lower() == name.lower() and callable(getattr(owner, n))]
    return found


def _alike(module: str, names, name: str) -> "tuple[list[str], list[str]]":
    """The module's names that differ from name in case only; those that differ in a few letters or go on with
    another word, as mse_loss does for mse.  Modules come last: DataLoader is meant, not its file dataloader."""
    import re
    import sys
    from difflib import get_close_matches

    values, asked = vars(sys.modules[module]), name.lower()
    names = sorted((n for n in names if not n.startswith("_")), key=lambda n: isinstance(values.get(n), type(sys)))
    near = get_close_matches(asked, [n.lower() for n in names], n=1, cutoff=0.75)
    next_word = re.compile(f"(?i:{re.escape(name)})[_A-Z]")
    longer = [n for n in names if next_word.match(n)]
    return [n for n in names if n.lower() == asked], [n for n in names if n.lower() in near] + longer


def absent(module: str, names, name: str) -> AttributeError:
    """The error for `name`, which `module` lacks; `names` are those that it has."""
    start = f"module '{module}' has no attribute '{name}'"
    if name.startswith("__"):
        return _error(start, name)
    if name in _SENTENCES:
        return _error(f"{start}: {_SENTENCES[name]}", name)
    for part, listed in _PARTS:
        if any(name == one or (one[-1] == "*" and name.startswith(one[:-1])) for one in listed.split()):
            return _error(f"{start}: ctorch has no {part} yet", name)
    same, near = [[f"{module}.{n}" for n in found] for found in _alike(module, names, name)]
    homes = _elsewhere(module, name)
    exact = [home for home in homes if home.endswith(f".{name}")]
    if exact and not same:
        return _error(f"{start}: it is {exact[0]}", name)
    meant = [*same, *near, *homes]
    hint = f"; did you mean {meant[0]}?" if meant else ""
    return _error(f"{start}: ctorch does not have it{hint}", name)
