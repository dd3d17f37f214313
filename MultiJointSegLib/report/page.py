"""The report as one HTML file without outside references."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from MultiJointSegLib.morphology.published_values import PublishedValue, published_values
from MultiJointSegLib.progress import Progress, ProgressSpan, SilentProgress
from MultiJointSegLib.report.content import ReportContent
from MultiJointSegLib.report.drawings import ReportDrawings
from MultiJointSegLib.report.figures import FigureMaker, bars, data_address, plane_title
from MultiJointSegLib.report.measure_picture import congruence_pictures

METHODS = (
    "Shared multi-joint network: Boutillon, Conze, Pons, Burdin, Borotikar. Med Image Anal, 2022. arXiv:2207.13502.",
    "Global binary masks: Kazemimoghadam, Yang, Ma, Chen, Lu, Gu. 2022. arXiv:2205.09107.",
    "Anatomy-oriented imaging planes: Zhang, Wei, Zhu, Gu, Zheng. Med Image Anal 94:103151, 2024. arXiv:2403.16499.",
    "Pseudo-labels from hip CT: Zhang, Gan, Liu, Shang. 2023. arXiv:2306.04579.",
)
"""The published methods that the module follows; see the model card for which of them made the model used."""

UNITS = {"mm2": "mm²", "mm3": "mm³", "deg": "°", "1": ""}
_TEMPLATE = "report.html.j2"


@dataclass(frozen=True, slots=True)
class _Row:
    bone: str
    name: str
    value: str
    error: str
    unit: str
    remark: str


@dataclass(frozen=True, slots=True)
class _BoneCertainty:
    name: str
    color: str
    found: bool
    confidence: str
    percent: float
    bars: list[tuple[float, float, float, float]]
    peak: str


def format_value(value: float) -> str:
    """A number as a reader wants it: four digits at least, no more decimals than the value can mean."""
    magnitude = abs(value)
    if magnitude >= 1000:
        return f"{value:,.0f}".replace(",", "\u2009")
    return f"{value:.1f}" if magnitude >= 100 else f"{value:.2f}"


def _rows(content: ReportContent) -> list[_Row]:
    names = {bone.key: bone.name for bone in content.joint.bones}
    rows = []
    for m in content.measurements:
        remark = m.reason or m.note
        rows.append(
            _Row(
                bone=names.get(m.bone, m.bone or "Joint"),
                name=m.name,
                value="–" if m.value is None else format_value(m.value),
                error="" if m.error_estimate is None else f"± {format_value(m.error_estimate)}",
                unit=UNITS.get(m.unit, m.unit),
                remark=remark,
            )
        )
    return rows


def _landmarks(content: ReportContent, pictures: Mapping[str, bytes]) -> list[tuple[str, str]]:
    """Address and caption of the picture of each measurement; measures that have the same picture share it."""
    names = {bone.key: bone.name for bone in content.joint.bones}
    captions: dict[bytes, list[str]] = {}
    for m in content.measurements:
        if m.key in pictures and m.value is not None:
            caption = f"{m.name}, {format_value(m.value)} {UNITS.get(m.unit, m.unit)}".rstrip()
            shared = captions.setdefault(pictures[m.key], [])
            shared.append(caption if shared or m.bone not in names else f"{names[m.bone]}: {caption}")
    return [(data_address(picture), "; ".join(shared)) for picture, shared in captions.items()]


def _definitions(content: ReportContent) -> list[tuple[str, str, str]]:
    seen: dict[tuple[str, str], tuple[str, str, str]] = {}
    for m in content.measurements:
        seen.setdefault((m.name, m.definition), (m.name, m.definition, m.reference))
    return list(seen.values())


def _published(content: ReportContent) -> list[tuple[str, str, PublishedValue]]:
    """Name, value here and each published value of the measures that have one here."""
    return [
        (m.name, f"{format_value(m.value)} {UNITS.get(m.unit, m.unit)}".rstrip(), published)
        for m in content.measurements
        if m.value is not None
        for published in published_values(m.key)
    ]


def _certainty(content: ReportContent) -> list[_BoneCertainty]:
    rows = []
    for bone in content.joint.bones:
        confidence = content.segmentation.bone_confidence.get(bone.key)
        found = content.found(bone)
        uncertainty = content.segmentation.slice_uncertainty.get(bone.key)
        worst = "" if uncertainty is None or not len(uncertainty) else f"{int(uncertainty.argmax()) + 1}"
        rows.append(
            _BoneCertainty(
                name=bone.name,
                color="rgb({}, {}, {})".format(*bone.color),
                found=found,
                confidence="–" if confidence is None or not found else f"{confidence:.2f}",
                percent=0.0 if confidence is None or not found else 100 * max(0.0, min(1.0, float(confidence))),
                bars=[] if uncertainty is None or not found else bars(uncertainty),
                peak=worst if found else "",
            )
        )
    return rows


def _facts(content: ReportContent, plane: str) -> list[tuple[str, str]]:
    """What the examination is, without anything that names a person."""
    geometry = content.volume.geometry
    metadata = content.volume.metadata
    facts = [
        ("Side", (content.side or "unknown").capitalize()),
        ("Modality", content.volume.modality or "not recorded"),
        ("Acquired plane", plane),
        ("Grid", " × ".join(str(n) for n in geometry.size) + " voxels"),
        ("Voxel", " × ".join(f"{s:.3g}" for s in geometry.spacing_mm) + " mm"),
    ]
    for key, name, unit in (
        ("series_description", "Series", ""),
        ("echo_time_ms", "Echo time", " ms"),
        ("repetition_time_ms", "Repetition time", " ms"),
    ):
        if metadata.get(key) not in (None, ""):
            value = metadata[key]
            facts.append((name, f"{value:.4g}{unit}" if isinstance(value, float) else f"{value}{unit}"))
    return facts


def _run_facts(run: Mapping[str, object]) -> list[tuple[str, str]]:
    facts: list[tuple[str, str]] = []
    if run.get("review"):
        facts.append(("Review", str(run["review"])))
    device = run.get("device")
    if isinstance(device, Mapping):
        facts.append(
            ("Device", f"{device.get('device', '')} with {device.get('runtime', '')}: {device.get('reason', '')}")
        )
    model = run.get("model")
    if isinstance(model, Mapping):
        facts.append(
            ("Model", f"{model.get('name', '')} {model.get('version', '')}, SHA-256 {model.get('sha256', '')}")
        )
    timings = run.get("timings_s")
    if isinstance(timings, Mapping):
        facts.append(("Time per stage", ", ".join(f"{k.lower()} {float(v):.1f} s" for k, v in timings.items())))
    if isinstance(run.get("peak_memory_mib"), (int, float)):
        facts.append(("Peak memory", f"{run['peak_memory_mib']:.0f} MiB"))
    versions = run.get("versions")
    if isinstance(versions, Mapping):
        facts.append(("Versions", ", ".join(f"{k} {v}" for k, v in versions.items() if v)))
    read = run.get("input")
    if isinstance(read, Mapping):
        number = f"{read['files']} file{'s' if read['files'] != 1 else ''}"
        facts.append(("Input", f"{number}, SHA-256 {read['sha256']}; voxels {read['voxels_sha256']}"))
    return facts


def write_report(
    path: Path, content: ReportContent, *, drawings: ReportDrawings | None = None, progress: Progress | None = None
) -> list[str]:
    """Write the report.

    Parameters
    ----------
    path
        Ends with ``.html``; written under a temporary name, then renamed.
    content
        What to show.
    drawings
        Of the content's surfaces and measurements, entered and begun; made here if None.
    progress
        Told of each group of pictures.

    Returns
    -------
    list of str
        Sentences on what the report had to leave out; empty if nothing.
    """
    progress = progress or SilentProgress()
    maker = FigureMaker(content)
    with ExitStack() as stack:
        if drawings is None:
            shown = {b.key: content.surfaces[b.key] for b in content.joint.bones if b.key in content.surfaces}
            drawings = stack.enter_context(ReportDrawings(shown, side=content.side))
            drawings.begin_landmarks(content.measurements)
        progress.report(0.0, "slices in three planes")
        planes = maker.planes()
        bones = maker.bones(ProgressSpan(progress, 0.2, 0.6))
        progress.report(0.6, "slices most in need of a look")
        doubtful = maker.doubtful()
        progress.report(0.75, "3-D view")
        pictures, no_pictures = drawings.views()
        progress.report(0.85, "landmarks of the measurements")
        drawn, not_drawn = drawings.landmarks()
    maps, no_maps = congruence_pictures(content.surfaces, content.measurements)
    left_out = [sentence for sentence in (no_pictures, not_drawn, no_maps) if sentence]
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template(_TEMPLATE).render(
        joint=content.joint.name,
        joint_given=content.joint_given,
        detection=content.segmentation.detection,
        facts=_facts(content, plane_title(maker.acquired_view)),
        run_facts=_run_facts(content.run),
        warnings=[*content.warnings, *left_out],
        planes=planes,
        bones=bones,
        input_mask=maker.input_mask(),
        doubtful=doubtful,
        views=[(data_address(p.png), p.caption) for p in pictures],
        no_views=no_pictures,
        rows=_rows(content),
        landmarks=[*_landmarks(content, drawn), *((data_address(png), caption) for caption, png in maps.items())],
        definitions=_definitions(content),
        published=_published(content),
        certainty=_certainty(content),
        citations=METHODS,
        version=content.run.get("versions", {}).get("MultiJointSeg", "") if content.run else "",  # type: ignore[attr-defined]
    )
    temporary = path.with_name(f".partial-{path.name}")
    try:
        temporary.write_text(page, encoding="utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    progress.report(1.0, "")
    return left_out
