"""A folder of folders of images: [train|test]/[CLIENT]/CLASS/FILES."""
import functools

from . import pictures
from .samples import Sample, Unusable, natural, unusable

SETS = {"train", "test"}
NAMES_OF_SETS = {"train", "training", "val", "valid", "validation", "test", "testing"}


def folders_in(folder):
    return sorted((path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")),
                  key=lambda path: natural(path.name))


def left_out(root, path, reason):
    return Sample(where=str(path.relative_to(root)), label="", set="train", load=unusable(reason))


def files_in(folder):
    """Beside the folders."""
    return sorted(path for path in folder.iterdir() if not path.is_dir() and not path.name.startswith("."))


def require_utf8(root, folder):
    try:
        folder.name.encode()
    except UnicodeEncodeError as problem:
        raise Unusable(f"{root}: {folder.name!a} is not in UTF-8; name the folder anew") from problem


def refuse_sets_as_classes(root, samples):
    """Sets in another layout than `train` and `test` would become classes, or clients, without a word."""
    for what, names in (("classes", {sample.label for sample in samples}), ("clients", {sample.client for sample in samples})):
        sets = sorted(name for name in names if name and name.lower() in NAMES_OF_SETS)
        if len(sets) > 1 or set(sets) == names:
            raise Unusable(f"{root}: {' and '.join(sets)} would be {what}, and are names of sets; for sets make the folders "
                           "train and test, and no other beside them")


def from_folder(root, by_client, size=None, channels=None):
    if not root.is_dir():
        raise Unusable(f"{root}: it is not a folder")
    inner = folders_in(root)
    has_sets = {path.name for path in inner} == SETS
    samples, apart = [], files_in(root)
    for top, name in [(path, path.name) for path in inner] if has_sets else [(root, None)]:
        apart += files_in(top) if has_sets else []
        for owner in folders_in(top) if by_client else [top]:
            apart += files_in(owner) if by_client else []
            for folder in folders_in(owner):
                require_utf8(root, folder)
                for path in sorted(folder.rglob("*"), key=lambda p: (natural(p.name), p)):
                    if path.name.startswith(".") or path.is_dir() and not path.is_symlink():
                        continue
                    if path.is_dir():
                        samples.append(left_out(root, path, "it is a link to a folder"))
                        continue
                    known = path.suffix.lower() in pictures.SUFFIXES
                    samples.append(Sample(
                        where=str(path.relative_to(root)), label=folder.name, set=name,
                        client=owner.name if by_client else None,
                        load=functools.partial(pictures.load, path, size, channels) if known else
                        unusable(f"{path.suffix or 'no suffix'} is not that of an image")))
    if not samples:
        raise Unusable(f"{root}: there are no folders of images in it")
    refuse_sets_as_classes(root, samples)
    return samples + [left_out(root, path, "it is in no folder of a class") for path in apart]
