"""What asking for an absent name says: that it is not there, which part of PyTorch it belongs to if that part
is missing as a whole, and the nearest name that is there."""

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
    ("graph capture and export", "jit fx onnx export vmap func library ops nested"),
    ("profiling and logging tools", "profiler tensorboard benchmark"),
)

_SENTENCES = {
    "save": "ctorch does not write files yet; pickle.dump(obj, file) stores tensors, modules and state_dicts",
    "load": "ctorch does not read files yet; pickle.load(file) reads what pickle.dump wrote",
}


def _error(text: str, name: str) -> AttributeError:
    """With obj given, a traceback does not add a suggestion of Python's own."""
    return AttributeError(text, name=name, obj=None)


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
    from difflib import get_close_matches

    near = get_close_matches(name, [n for n in names if not n.startswith("_")], n=1, cutoff=0.75)
    hint = f"; did you mean {module}.{near[0]}?" if near else ""
    return _error(f"{start}: ctorch does not have it{hint}", name)
