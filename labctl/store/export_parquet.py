"""A run's points as Parquet, with units and provenance in the metadata. Not here: arrays (HDF5 has them)."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from labctl.store.columns import Kind, kind_of
from labctl.store.export import provenance
from labctl.store.reader import Run

__all__ = ["write_parquet"]


def write_parquet(run: Run, path: Path) -> None:
    """Write the points.

    Columns with a unit are float64; the others int64, float64 or text where all the values that they have are, else
    JSON of each value. Field metadata: ``units``, ``encoding`` ("json" where it applies); file metadata: ``labctl``,
    JSON.

    Parameters
    ----------
    run : Run
    path : Path
        Replaced if it exists.
    """
    rows = run.rows()
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(run.columns)
    types = {Kind.FLOAT: pa.float64(), Kind.INT: pa.int64(), Kind.TEXT: pa.string(), Kind.MIXED: pa.string()}
    arrays, fields = [], []
    for column, cells in zip(run.columns, columns, strict=False):
        # unlike other formats, this one has a place for "no value" in a column of whole numbers
        kind = kind_of([cell for cell in cells if cell is not None], column.unit)
        encoding = "json" if kind is Kind.MIXED else ""
        values = [None if cell is None else json.dumps(cell) for cell in cells] if encoding else cells
        metadata = {"units": column.unit or "", "encoding": encoding}
        arrays.append(pa.array(values, type=types[kind]))
        fields.append(pa.field(column.name, types[kind], metadata=metadata))
    schema = pa.schema(fields, metadata={"labctl": json.dumps(provenance(run))})
    pq.write_table(pa.Table.from_arrays(arrays, schema=schema), path)
