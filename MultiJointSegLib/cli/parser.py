"""The commands and their arguments. Light: imports nothing that computes."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import NoReturn

import MultiJointSegLib
from MultiJointSegLib.cli.annotation_parser import add_annotate_command
from MultiJointSegLib.cli.learning_parser import add_learning_commands
from MultiJointSegLib.cli.pretraining_parser import add_pretraining_commands
from MultiJointSegLib.cli.refining_parser import add_refining_commands
from MultiJointSegLib.errors import InputError

EXIT_CODES = """exit codes:
  0    done
  1    failed (a defect, no memory, no space on the disk)
  2    bad input or arguments
  3    refused: the examination shows none of the joints the model knows
  130  cancelled; nothing was written
"""

_DEVICES = ("auto", "cpu", "cuda", "mps")
_INPUT_HELP = "DICOM folder, DICOM file, NIfTI, NRRD or MetaImage"


class _Parser(argparse.ArgumentParser):
    """An ArgumentParser whose errors are one sentence."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message[:1].upper()}{message[1:]}; see '{self.prog} --help'.")


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise ValueError
    return value


_positive.__name__ = "positive number"


def _common(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what is shown")
    either = group.add_mutually_exclusive_group()
    either.add_argument("--quiet", action="store_true", help="show nothing but errors")
    either.add_argument("--json", action="store_true", help="show the result as one JSON object on standard output")
    group.add_argument(
        "--progress-json",
        action="store_true",
        help="tell a program progress and outcome: JSON lines on standard error",
    )
    group.add_argument("--debug", action="store_true", help="show where in the program an error arose")


def _output(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument("-o", "--output", required=True, metavar="OUT", help=f"{what}; it appears whole or not at all")
    parser.add_argument("--overwrite", action="store_true", help="replace an earlier result, after success")


def _model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--series", help="which series of a DICOM folder: its number or UID, as an error lists them")
    parser.add_argument("--device", choices=_DEVICES, default="auto", help="where to compute (default: auto)")
    parser.add_argument("--model", metavar="BUNDLE", help="folder of a model bundle (default: the shipped model)")


def _segmenting(parser: argparse.ArgumentParser) -> None:
    # Not argparse choices: the catalog names near matches of a misspelled joint.
    parser.add_argument("--joint", default="auto", help="auto, ankle, knee or shoulder (default: auto)")
    _model(parser)
    parser.add_argument("--tta", help="test-time augmentation: none, flip or scale (default: the model's own)")
    parser.add_argument(
        "--record-paths", action="store_true", help="note file paths in run.json, which may name the patient"
    )


def _evaluate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--truth", metavar="PATH", help="label map, or folder of label maps")
    parser.add_argument(
        "--manifest", metavar="FILE", help="list of examinations with image and label (JSON), instead of --truth"
    )
    parser.add_argument(
        "--prediction",
        action="append",
        metavar="[NAME=]PATH",
        help="label map or folder named like the truth; give it again to compare methods with the first",
    )
    parser.add_argument(
        "--model",
        action="append",
        metavar="[NAME=]BUNDLE",
        help="model bundle that segments the manifest's images; can be given again",
    )
    parser.add_argument("--split", help="of a manifest, only these examinations: train, validation or test")
    parser.add_argument("--images", metavar="PATH", help="image or folder of images for the pictures")
    parser.add_argument(
        "--definition",
        choices=("border", "surfel"),
        default="border",
        help="what a surface is: border voxels, or pieces weighted by area (default: border)",
    )
    parser.add_argument("--device", choices=_DEVICES, default="auto", help="where a model computes (default: auto)")
    _output(parser, "folder for report and tables")


def _cohort(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("input", metavar="INPUT", nargs="+", help="folder of examinations, or an examination")
    parser.add_argument(
        "-o", "--output", required=True, metavar="OUT", help="folder for a result folder per examination and the tables"
    )
    parser.add_argument("--joint", default="auto", help="auto, or the joint that all examinations show (default: auto)")
    parser.add_argument("--device", choices=_DEVICES, default="auto", help="where to compute (default: auto)")
    parser.add_argument("--model", metavar="BUNDLE", help="folder of a model bundle (default: the shipped model)")
    parser.add_argument("--tta", help="test-time augmentation: none, flip or scale (default: the model's own)")
    parser.add_argument("--no-scene", action="store_true", help="leave out scene.mrb, which is large")
    parser.add_argument(
        "--record-paths", action="store_true", help="note file paths in run.json, which may name the patient"
    )
    parser.add_argument(
        "--engine", default="local", help="local: this computer; dask: a dask.distributed cluster (default: local)"
    )
    parser.add_argument("--scheduler", metavar="ADDRESS", help="of a dask cluster, for example tcp://host:8786")
    parser.add_argument("--workers", type=int, metavar="N", help="helper processes (default: one per two cores)")


def _revise(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("input", metavar="SEGMENTATION", help=".seg.nrrd, or a label map with the catalog's values")
    _output(parser, "folder for surfaces, measurements and report")
    parser.add_argument("--joint", default="auto", help="which joint it is (default: from its bones)")
    parser.add_argument("--examination", metavar="INPUT", help=f"{_INPUT_HELP}: growth plates are measured too")
    parser.add_argument(
        "--run", metavar="FILE", help="run.json of the result that was corrected: with it a report is written"
    )
    parser.add_argument(
        "--surfaces", metavar="FOLDER", help="surfaces of bones that were not corrected, to be taken as they are"
    )
    parser.add_argument("--review", default="", metavar="TEXT", help="who accepted the segmentation, for the report")
    parser.add_argument(
        "--dicom-source",
        metavar="FOLDER",
        help="DICOM series that the examination was read from, or a text file that lists its files: "
        "write DICOM as well",
    )
    parser.add_argument(
        "--dicom-objects",
        nargs="+",
        choices=("segmentation", "report"),
        default=["segmentation"],
        help="segmentation.dcm (masks), measurements.dcm (structured report) or both (default: segmentation)",
    )
    parser.add_argument("--no-scene", action="store_true", help="leave out scene.mrb")


def _surface_format(parser: argparse.ArgumentParser) -> None:
    formats = ("stl", "ply", "obj", "vtp", "glb")
    parser.add_argument("--format", choices=formats, default="stl", help="of the surfaces (default: stl)")


def _measure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "input", metavar="SEGMENTATION", help=".seg.nrrd with segments named as bones, or label map with our values"
    )
    _output(parser, "folder for surfaces, measurements and pictures")
    parser.add_argument("--joint", default="auto", help="which joint it is (default: from its bones)")
    parser.add_argument("--side", choices=("left", "right"), help="side of the body (default: from the bones)")
    _surface_format(parser)
    parser.add_argument(
        "--deviation", type=_positive, metavar="MM", help="write fewer triangles, at most MM from the surface measured"
    )
    parser.add_argument(
        "--pixel-error",
        action="store_true",
        help="measure with outlines one pixel wider and narrower too: errors contain an unsure outline",
    )
    parser.add_argument("--no-pictures", action="store_true", help="do not draw the landmarks on the bones")
    parser.add_argument("--image", help="the examination that was segmented: its growth plates are measured too")
    parser.add_argument(
        "--dicom",
        metavar="SERIES",
        help="folder of the DICOM series it was made on: write the measurements as a DICOM structured report too",
    )


def _compare(parser: argparse.ArgumentParser) -> None:
    what = "result folder of segment or measure, or a segmentation"
    parser.add_argument("first", metavar="FIRST", help=what)
    parser.add_argument("second", metavar="SECOND", help=f"{what}; changes are second minus first")
    _output(parser, "folder for the tables, the page and the colored surfaces")
    parser.add_argument("--joint", default="auto", help="which joint it is (default: from its bones)")
    parser.add_argument("--mirror", action="store_true", help="the second is of the other side of the body: mirror it")


def build_parser() -> argparse.ArgumentParser:
    """Build the parser; each command stores its name in ``command``."""
    parser = _Parser(
        prog="multijointseg",
        description="Bones of pediatric ankle, knee and shoulder MRI: segments, surfaces, measurements, report. "
        "For research use; not a medical device.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"multijointseg {MultiJointSegLib.__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def command(name: str, summary: str, *fill: Callable[[argparse.ArgumentParser], None]) -> argparse.ArgumentParser:
        made = commands.add_parser(
            name,
            help=summary,
            description=summary[:1].upper() + summary[1:] + ".",
            epilog=EXIT_CODES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        for add in fill:
            add(made)
        _common(made)
        return made

    segment = command("segment", "segment the bones of an examination and measure them")
    segment.add_argument("input", metavar="INPUT", help=_INPUT_HELP)
    _output(segment, "folder for the result")
    _segmenting(segment)
    segment.add_argument(
        "--mask",
        metavar="FILE",
        help="outline of the parent organ, for a model that needs one; others make their own mask",
    )
    segment.add_argument("--no-scene", action="store_true", help="leave out scene.mrb, for a program that has a scene")
    _surface_format(segment)

    add_annotate_command(command, _output)

    _cohort(command("cohort", "segment and measure every examination of a folder; run again, it goes on"))

    detect = command("detect", "say which joint an examination shows", _model)
    detect.add_argument("input", metavar="INPUT", help=_INPUT_HELP)

    _measure(command("measure", "measure the bones of a segmentation"))
    _compare(command("compare", "compare two examinations of one joint: measures, and the shape of each bone"))

    _revise(command("revise", "measure a corrected segmentation again, and write its report"))

    phantom = command("phantom", "make a synthetic examination with exact truth")
    phantom.add_argument("--joint", required=True, help="ankle, knee, shoulder or hip")
    phantom.add_argument("--seed", type=int, default=0, help="the same seed gives the same phantom (default: 0)")
    _output(phantom, "folder for the examination and its truth")
    phantom.add_argument("--study", action="store_true", help="image it in several planes, as a study to pretrain on")
    phantom.add_argument("--age", type=_positive, metavar="YEARS", help="age, which governs size and growth plates")
    phantom.add_argument("--side", choices=("left", "right"), help="side of the body")
    phantom.add_argument("--plane", choices=("sagittal", "coronal", "axial"), help="plane of the slices")
    phantom.add_argument("--sequence", help="MR sequence family, for example t1, pd or t2_fat_suppressed")
    phantom.add_argument(
        "--spacing", type=_positive, nargs=3, metavar=("X", "Y", "Z"), help="in-plane, in-plane and slice spacing in mm"
    )
    phantom.add_argument(
        "--noise", type=float, help="standard deviation of the noise as a share of the brightest tissue"
    )

    _evaluate(command("evaluate", "score predicted label maps, or a model, against the truth"))

    add_learning_commands(command, _output, _DEVICES)

    add_pretraining_commands(command)
    add_refining_commands(command, _DEVICES)

    command("info", "show versions, devices, models and joints")

    sample = command("sample", "fetch a public examination")
    sample.add_argument("name", metavar="NAME", help="which sample: knee")
    _output(sample, "folder for its files")

    demo = command("demo", "run the main job on a phantom made on the spot, or on your own examination")
    demo.add_argument("--input", metavar="INPUT", help=f"{_INPUT_HELP} (default: a knee phantom)")
    demo.add_argument("-o", "--output", required=True, metavar="DIR", help="folder; an earlier demo is replaced")
    _segmenting(demo)
    return parser
