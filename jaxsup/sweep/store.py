"""Where a sweep's dataset lies on disk: a Zarr group written through xarray."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import xarray as xr


def check_store(store: str | Path) -> None:
    """Raise unless a new folder can be made at `store`: before anything expensive starts.

    Raises:
        FileExistsError: something is there already.
        OSError: the folder cannot be written.
    """
    path = Path(store)
    if path.exists():
        raise FileExistsError(
            f"{path}: expected a new folder; got one that exists; choose another or remove it"
        )
    try:
        path.mkdir(parents=True)
        (path / "probe").touch()
        (path / "probe").unlink()
        path.rmdir()
    except OSError as error:
        raise PermissionError(
            f"{path}: expected a folder that can be written; got {error.strerror!r}; "
            "choose another place"
        ) from None


def write_store(dataset: xr.Dataset, store: str | Path) -> None:
    """Write the dataset as a new Zarr group (format 3)."""
    dataset.to_zarr(store, mode="w-", zarr_format=3, consolidated=False)


def open_store(store: str | Path) -> xr.Dataset:
    """Open a dataset that `jaxsup.run` wrote.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: the folder holds no sweep, or a damaged one.
    """
    import xarray as xr

    path = Path(store)
    if not path.exists():
        raise FileNotFoundError(
            f"{path}: expected the folder of a sweep; got none there; check the path"
        )
    if not (path / "zarr.json").is_file():
        raise ValueError(
            f"{path}: expected the folder of a sweep; got one without zarr.json; "
            "give the folder that `jaxsup sweep --out` made"
        )
    try:
        dataset = xr.open_zarr(path, consolidated=False)
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise ValueError(
            f"{path}: expected a Zarr group that can be read; got {error}; restore or remake it"
        ) from None
    if "loss" not in dataset or "configuration" not in dataset.attrs:
        raise ValueError(
            f"{path}: expected a dataset with a loss; got {sorted(map(str, dataset))}; "
            "give the folder that `jaxsup sweep --out` made"
        )
    return dataset
