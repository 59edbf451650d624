"""Networks of `keras.applications` with ImageNet weights of checked origin."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import keras

from cnnlab import fetch

# md5 of the files with and without top: what the sources of Keras have
DIGESTS = {
    "VGG16": ("64373286793e3c8b2b4e3219cbf3544b", "6d6bbae143d832006294945121d1f1fc"),
    "VGG19": ("cbe5617147190e668d6c5d5026f83318", "253f8cb515780f3b799900260a226db6"),
    "ResNet50": (
        "2cb95161c43110f7111970584f804107",
        "4d473c1dd8becc155b73f8504c6f6626",
    ),
}


def load(
    application: str,
    weights: str,
    input_shape: tuple[int, int, int] = (224, 224, 3),
    num_classes: int = 1000,
    *,
    include_top: bool = True,
    **options,
) -> keras.Model:
    """`keras.applications.<application>` with weights trained on ImageNet.

    The file is taken from the course-data folder (`CNNLAB_DATA`) or from the cache
    of Keras (`~/.keras/models`), else downloaded there, and its digest compared.

    Raises:
        ValueError: for other weights or options, or a file that is not Keras'.
        FileNotFoundError: if there is no file and no network; it says what to do.
    """
    if weights != "imagenet":
        raise ValueError(
            f'`weights` must be "imagenet" or None. Received: weights={weights!r}. Use '
            "`model.load_weights(path)` for your own."
        )
    if options or (include_top and num_classes != 1000):
        raise ValueError(
            "ImageNet weights fit the published network only. Received: "
            f"num_classes={num_classes}, {options}. Use include_top=False and add "
            "your own classifier, or weights=None."
        )
    build = getattr(keras.applications, application)
    size = {"include_top": include_top, "input_shape": input_shape}
    for path in _places(application, include_top):
        if path.exists():
            # Keras compares the digest of what it downloads, not of a path it is given.
            _check(path, DIGESTS[application][0 if include_top else 1])
            return build(weights=str(path), **size)
    return _download(build, size, _places(application, include_top))


def _places(application: str, include_top: bool) -> list[Path]:
    """Where the file may be; the last place is where Keras puts a download."""
    name = f"{application.lower()}_weights_tf_dim_ordering_tf_kernels"
    name += ".h5" if include_top else "_notop.h5"
    folders = [os.environ.get("CNNLAB_DATA"), fetch.keras_cache().parent / "models"]
    return [Path(folder) / name for folder in folders if folder]


def _check(path: Path, expected: str) -> None:
    with path.open("rb") as file:
        received = hashlib.file_digest(file, "md5").hexdigest()
    if received != expected:
        raise ValueError(
            f"{path} does not hold the ImageNet weights of Keras. Received: md5 "
            f"{received}. Expected: {expected}. Delete it, or put a good copy there."
        )


def _download(build: Callable, size: dict, places: list[Path]) -> keras.Model:
    """Keras downloads, and compares the same digest."""
    try:
        if os.environ.get("CNNLAB_OFFLINE") == "1":
            raise OSError("CNNLAB_OFFLINE is 1")
        return build(weights="imagenet", **size)
    except ValueError:  # of the input_shape: the caller's, whatever the network
        raise
    except Exception as error:  # Keras raises a bare Exception without network
        raise FileNotFoundError(
            f"No ImageNet weights: {error}. Put {places[-1].name}, from a machine "
            f"with network, into {' or '.join(str(p.parent) for p in places)}; "
            "CNNLAB_DATA may name a course-data folder that holds it."
        ) from error
