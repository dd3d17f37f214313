"""Each scheme is one configuration away, and differs from its neighbor in one thing."""

from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path
from typing import get_args

import pytest
import torch

from MultiJointSegLib.errors import InputError
from MultiJointSegLib.learning.config import SchemeName, parse_config
from MultiJointSegLib.learning.sampler import BankData
from MultiJointSegLib.learning.scheme_training import train_scheme
from MultiJointSegLib.learning.schemes import SCHEMES, build_contrast, build_network, plan_runs, start_from_joint
from MultiJointSegLib.learning.tissue_bank import TissueBank

TINY = {"backbone": "unet", "decoder_channels": [8, 8, 8, 8, 8], "initialization": "scratch"}


def _plans(scheme: str, **sections: object) -> list:
    return plan_runs(parse_config({"scheme": scheme, "network": TINY, **sections}))


def test_configuration_and_table_name_the_same_schemes() -> None:
    assert list(SCHEMES) == list(get_args(SchemeName))


def test_each_shared_scheme_is_the_one_before_and_one_thing_more() -> None:
    names = list(SCHEMES)[list(SCHEMES).index("shared") :]
    rows = [asdict(SCHEMES[name]) for name in names]
    changed = [[key for key in b if a[key] != b[key]] for a, b in pairwise(rows)]
    assert changed == [["domain_output"], ["domain_norm"], ["contrast"], ["contrast"], ["prior"], ["initialization"]]


@pytest.mark.parametrize("scheme", list(SCHEMES))
def test_every_scheme_plans_and_builds(scheme: str) -> None:
    plans = _plans(scheme)
    for plan in plans:
        network = build_network(plan)
        assert list(network.joints) == list(plan.joints)
        contrast = build_contrast(plan, network)
        assert (contrast is not None) == bool(plan.contrast_scales) == (plan.settings.contrast_weight > 0)
        assert (plan.prior != "none") == (plan.settings.prior_weight > 0)
    covered = [key for plan in plans if plan.is_result for key in plan.joints]
    assert covered == ["ankle", "knee", "shoulder"]


def test_scales_of_the_contrast() -> None:
    assert _plans("shared_contrast")[0].contrast_scales == (0,)
    assert _plans("shared_multiscale")[0].contrast_scales == (0, 1, 2, 3, 4, 5)
    assert _plans("all", contrast={"scales": [1, 3]})[0].contrast_scales == (1, 3)


def test_transfer_trains_the_sources_first() -> None:
    plans = _plans("transfer_joint")
    assert [(p.name, p.start_from, p.is_result) for p in plans] == [
        ("knee", None, False),
        ("shoulder", None, False),
        ("ankle", None, False),
        ("ankle_from_knee", "knee", True),
        ("knee_from_shoulder", "shoulder", True),
        ("shoulder_from_ankle", "ankle", True),
    ]
    one_source = _plans("transfer_joint", transfer={"source": "knee"})
    assert [p.start_from for p in one_source if p.is_result] == ["knee", "shoulder", "knee"]


def test_what_the_configuration_states_goes_before_the_scheme() -> None:
    plan = _plans("shared", prior={"scope": "per_joint"}, network={**TINY, "domain_norm": True})[0]
    assert (plan.domain_output, plan.domain_norm, plan.prior) == (False, True, "per_joint")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ({"scheme": "all", "network": {"backbone": "unet"}}, "no ImageNet weights"),
        ({"scheme": "individual", "contrast": {"scales": "all"}}, "one joint each"),
        ({"scheme": "all", "joints": ["knee"]}, "on one joint"),
        ({"scheme": "transfer_joint", "joints": ["knee"]}, "two joints"),
        ({"scheme": "transfer_joint", "transfer": {"source": "hip"}}, "transfer.source is hip"),
        ({"contrast": {"scales": [6]}}, "levels from 0 to 5"),
        ({"contrast": {"scales": [0, 1], "scale_weights": [1.0]}}, "each of 2 scales"),
    ],
)
def test_parts_that_do_not_fit_together_are_refused(content: dict, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        plan_runs(parse_config(content))


def test_transfer_takes_everything_but_the_output_layers() -> None:
    source, target = (build_network(plan) for plan in _plans("transfer_joint")[1:3])
    with torch.no_grad():
        for parameter in source.parameters():
            parameter.add_(1.0)
    head = target.heads["ankle"].weight.clone()
    names = start_from_joint(target, source.state_dict())
    assert set(target.state_dict()) - set(names) == {"heads.ankle.weight", "heads.ankle.bias"}
    assert all(torch.equal(target.state_dict()[name], source.state_dict()[name]) for name in names)
    assert torch.equal(target.heads["ankle"].weight, head)


def test_transfer_from_another_architecture_is_refused() -> None:
    plan = _plans("individual")[0]
    wider = replace(plan, network=plan.network.model_copy(update={"decoder_channels": (16, 8, 8, 8, 8)}))
    with pytest.raises(InputError, match="do not fit"):
        start_from_joint(build_network(plan), build_network(wider).state_dict())


def _config(scheme: str, **sections: object) -> dict:
    training = {"steps": 2, "slices_per_joint": 2, "other_slices": 3, "sizes_px": [32], "warmup_steps": 1}
    return {
        "scheme": scheme,
        "joints": ["knee", "shoulder"],
        "network": TINY,
        "prior": {"steps": 2, "channels": [4, 4], "code_channels": 4},
        "training": {
            **training,
            "validate_every": 2,
            "validation_slices": 4,
            "validation_size_px": 32,
            "bfloat16": False,
        },
        **sections,
    }


def test_all_runs_from_the_configuration_alone(the_bank: TissueBank, tmp_path: Path) -> None:
    config = parse_config(_config("all"))
    runs = train_scheme(config, BankData(the_bank), BankData(the_bank), tmp_path)
    assert [run.plan.name for run in runs] == ["all"]
    log = (tmp_path / "all" / "log.jsonl").read_text()
    assert "contrast_scale_5" in log and "probe_accuracy" in log and '"prior"' in log
    assert (tmp_path / "prior" / "prior.json").exists()
    before = sorted((path, path.stat().st_mtime_ns) for path in tmp_path.rglob("*"))
    again = train_scheme(config, BankData(the_bank), BankData(the_bank), tmp_path)
    assert sorted((path, path.stat().st_mtime_ns) for path in tmp_path.rglob("*")) == before
    weights = runs[0].network.state_dict()
    assert all(torch.equal(value, weights[key]) for key, value in again[0].network.state_dict().items())
    with pytest.raises(InputError, match="another configuration"):
        train_scheme(parse_config(_config("shared")), BankData(the_bank), BankData(the_bank), tmp_path)


def test_transfer_runs_from_the_configuration_alone(the_bank: TissueBank, tmp_path: Path) -> None:
    runs = train_scheme(parse_config(_config("transfer_joint")), BankData(the_bank), BankData(the_bank), tmp_path)
    assert [list(run.network.joints) for run in runs] == [["knee"], ["shoulder"]]
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == {
        "knee", "shoulder", "knee_from_shoulder", "shoulder_from_knee",
    }  # fmt: skip


def test_prior_for_each_joint_and_shared_layers_run(the_bank: TissueBank, tmp_path: Path) -> None:
    prior = {"scope": "per_joint", "steps": 1, "channels": [4], "code_channels": 4, "domain_layers": False}
    runs = train_scheme(parse_config(_config("shared", prior=prior)), BankData(the_bank), BankData(the_bank), tmp_path)
    assert (tmp_path / "prior_knee" / "prior.json").exists()
    assert (tmp_path / "prior_shoulder" / "prior.json").exists()
    assert runs[0].network(torch.zeros(1, 3, 32, 32), "shoulder").shape == (1, 3, 32, 32)
