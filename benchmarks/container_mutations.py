"""Changes of the values inside checkpoints, HDF5 and MATLAB files, and zip archives, which stay readable."""

import io
import zipfile

import h5py
import numpy as np
import torch
from mutations import VALUES, changed_value, mutate
from scipy.io import loadmat, savemat

NAMES = ("../escaped.jpg", "/escaped.jpg", "a\0b.jpg", "b" * 300 + ".jpg", "\u202egpj.exe", "a/../../b.jpg", "")
"""Names that entries of an archive are given."""


def mutate_inside(content: bytes, name: str, rng: np.random.Generator) -> bytes:
    """Return a file with changed values inside, or with changed bytes if it has none that can be changed.

    Args:
        content: Content of the file.
        name: Name of the file, which tells its kind.
        rng: Source of all random choices.
    """
    change = next((change for endings, change in CHANGES.items() if name.endswith(endings)), None)
    if change is None or rng.random() < 0.4:
        return mutate(content, name, rng)
    try:
        return change(content, rng)
    except Exception:  # the libraries refuse to write some values, with errors of any kind
        return mutate(content, name, rng)


def _change_checkpoint(content: bytes, rng: np.random.Generator) -> bytes:
    buffer = io.BytesIO()
    torch.save(changed_value(torch.load(io.BytesIO(content), weights_only=True), rng), buffer)
    return buffer.getvalue()


def _change_matlab(content: bytes, rng: np.random.Generator) -> bytes:
    buffer = io.BytesIO()
    variables = {key: value for key, value in loadmat(io.BytesIO(content)).items() if not key.startswith("__")}
    savemat(buffer, changed_value(variables, rng))
    return buffer.getvalue()


def _change_hdf5(content: bytes, rng: np.random.Generator) -> bytes:
    """Remove, replace, cut, or fill a dataset or an attribute of an HDF5 file."""
    buffer = io.BytesIO(content)
    with h5py.File(buffer, "r+") as file:
        nodes: list[h5py.HLObject] = [file]
        file.visititems(lambda _, node: nodes.append(node))
        node = nodes[int(rng.integers(len(nodes)))]
        value = VALUES[int(rng.integers(len(VALUES)))]
        if len(node.attrs) and rng.random() < 0.5:
            key = str(rng.choice(list(node.attrs)))
            if rng.random() < 0.3:
                del node.attrs[key]
            else:
                node.attrs[key] = value
            return _closed(file, buffer)
        parent, name = node.parent, node.name
        kind = rng.random() if isinstance(node, h5py.Dataset) else 0.0
        data = node[()] if kind >= 0.4 else None
        if kind >= 0.7 and data is not None and data.dtype.names:
            field = str(rng.choice(data.dtype.names))
            data[field][int(rng.integers(len(data)))] = int(rng.choice([-1, 0, 1, 99, 2**31 - 1]))
        elif kind >= 0.7 and data is not None and np.issubdtype(data.dtype, np.number):
            data.flat[int(rng.integers(data.size))] = rng.choice([-1, 0, 99])
        if name != "/":
            del parent[name]
        if kind >= 0.7:
            parent[name] = data
        elif kind >= 0.4:
            parent[name] = data[:1]
        elif kind >= 0.2:
            parent[name] = value
        return _closed(file, buffer)


def _closed(file: h5py.File, buffer: io.BytesIO) -> bytes:
    file.close()
    return buffer.getvalue()


def _change_archive(content: bytes, rng: np.random.Generator) -> bytes:
    """Rename, repeat, or damage an entry of a zip archive."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as archive, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as changed:
        names = archive.namelist()
        chosen = names[int(rng.integers(len(names)))]
        for name in names:
            inside = archive.read(name)
            if name == chosen and rng.random() < 0.5:
                name = str(rng.choice(NAMES))
            elif name == chosen:
                inside = mutate(inside, name, rng)
            changed.writestr(name, inside)
    return buffer.getvalue()


CHANGES = {
    (".pth",): _change_checkpoint,
    (".mat",): _change_matlab,
    (".h5", ".slp", ".nwb"): _change_hdf5,
    (".zip",): _change_archive,
}
