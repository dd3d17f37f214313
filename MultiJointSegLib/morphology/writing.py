"""Measurements to CSV (for a spreadsheet) and JSON (complete, with a schema version) and back."""

from __future__ import annotations

import csv
import io
import os
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from MultiJointSegLib.errors import InputError
from MultiJointSegLib.morphology.measurement import Measurement
from MultiJointSegLib.morphology.published_values import published_values

SCHEMA_VERSION: Final = "1.0"
CSV_COLUMNS = (
    "key", "bone", "name", "value", "unit", "error_estimate", "reason", "note", "definition", "reference",
    "published_values",
)  # fmt: skip

_Position = Annotated[list[float], Field(min_length=3, max_length=3)]
_STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)


class PointEntry(BaseModel):
    """A point, LPS mm."""

    model_config = _STRICT
    type: Literal["point"]
    position_mm: _Position


class LineEntry(BaseModel):
    """A straight line between two points, LPS mm."""

    model_config = _STRICT
    type: Literal["line"]
    start_mm: _Position
    end_mm: _Position


class SphereEntry(BaseModel):
    """A sphere, LPS mm."""

    model_config = _STRICT
    type: Literal["sphere"]
    center_mm: _Position
    radius_mm: Annotated[float, Field(gt=0)]


class PlaneEntry(BaseModel):
    """A plane through a point (LPS mm) with a unit normal."""

    model_config = _STRICT
    type: Literal["plane"]
    point_mm: _Position
    normal: _Position


class MeasurementEntry(BaseModel):
    """One measurement; the fields are those of `Measurement`."""

    model_config = _STRICT
    key: Annotated[str, Field(min_length=1)]
    name: Annotated[str, Field(min_length=1)]
    bone: str
    value: float | None
    unit: Literal["mm", "mm2", "mm3", "deg", "1"]
    definition: Annotated[str, Field(min_length=1)]
    reference: str
    geometry: dict[str, Annotated[PointEntry | LineEntry | SphereEntry | PlaneEntry, Field(discriminator="type")]]
    reason: str
    error_estimate: float | None
    note: str

    @model_validator(mode="after")
    def _value_or_reason(self) -> MeasurementEntry:
        if (self.value is None) != bool(self.reason):
            raise ValueError("a measurement needs a value or a reason, not both")
        return self


class MeasurementsFile(BaseModel):
    """The JSON file: `MeasurementsFile.model_json_schema()` is its JSON schema."""

    model_config = _STRICT
    schema_name: Literal["multijointseg.measurements"] = "multijointseg.measurements"
    schema_version: Literal["1.0"] = SCHEMA_VERSION
    coordinate_system: Literal["LPS"] = "LPS"
    measurements: list[MeasurementEntry]

    @model_validator(mode="after")
    def _unique_keys(self) -> MeasurementsFile:
        keys = [m.key for m in self.measurements]
        if len(set(keys)) != len(keys):
            raise ValueError("measurement keys must be unique")
        return self


def _write_atomically(path: Path, text: str) -> None:
    try:
        handle, name = tempfile.mkstemp(suffix=path.suffix, prefix=f".{path.stem}-", dir=path.parent)
    except OSError as error:
        raise InputError(
            f"Cannot write {path}: {error.strerror or error}. Check that the folder exists and may be written to."
        ) from error
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        raise InputError(f"Cannot write {path}: {error}. Check the free space and the permissions.") from error
    finally:
        temporary.unlink(missing_ok=True)


def write_measurements(measurements: Sequence[Measurement], csv_path: Path, json_path: Path) -> tuple[Path, Path]:
    """Write measurements as CSV and as JSON; each file is complete or not there.

    The CSV (UTF-8, comma, header line) has the columns `CSV_COLUMNS`; a value that cannot be given is an empty
    cell with its reason, and what other studies found stands in the last one (see `published_values`). The JSON holds
    the geometry too and follows `MeasurementsFile`.

    Raises
    ------
    InputError
        If a file cannot be written.
    """
    csv_path, json_path = Path(csv_path), Path(json_path)
    document = MeasurementsFile(measurements=[MeasurementEntry.model_validate(asdict(m)) for m in measurements])
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for m in measurements:
        row = [getattr(m, column) for column in CSV_COLUMNS[:-1]]
        row.append(" | ".join(value.sentence() for value in published_values(m.key)))
        writer.writerow(["" if v is None else f"{v:.6g}" if isinstance(v, float) else v for v in row])
    _write_atomically(csv_path, table.getvalue())
    _write_atomically(json_path, document.model_dump_json(indent=2) + "\n")
    return csv_path, json_path


def read_measurements(json_path: Path) -> list[Measurement]:
    """Read a JSON file that `write_measurements` wrote.

    Raises
    ------
    InputError
        If the file is missing or does not follow the schema.
    """
    path = Path(json_path)
    try:
        document = MeasurementsFile.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"Cannot read {path}: {error}.") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(p) for p in first["loc"]) or "the file"
        raise InputError(
            f"{path} is not a measurements file of schema {SCHEMA_VERSION}: {place}: {first['msg']}."
        ) from error
    names = [f.name for f in fields(Measurement)]
    return [Measurement(**{n: d[n] for n in names}) for d in (m.model_dump() for m in document.measurements)]
