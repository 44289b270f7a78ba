"""From images of any kind to the HDF5 file that feddip reads."""
from .samples import Sample, Unusable, split
from .writer import write

__all__ = ["Sample", "Unusable", "split", "write"]
