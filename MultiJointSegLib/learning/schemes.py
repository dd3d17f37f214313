"""The learning schemes that are compared, and the trainings that each consists of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from MultiJointSegLib.anatomy import joint
from MultiJointSegLib.errors import InputError
from MultiJointSegLib.learning.config import ContrastConfig, LearningConfig, NetworkConfig
from MultiJointSegLib.learning.contrastive import MultiScaleContrast
from MultiJointSegLib.learning.masks.settings import ENCODING_CHANNELS
from MultiJointSegLib.learning.training_settings import TrainingSettings
from MultiJointSegLib.networks.backbones import BACKBONES
from MultiJointSegLib.networks.shared_unet import SharedUNet

LEVELS = 6
"""Levels of `SharedUNet.features`: the bottleneck and five of the decoder."""

Initialization = Literal["scratch", "imagenet"]
PriorScope = Literal["none", "all_joints", "per_joint"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheme:
    """What a scheme is made of.

    Attributes
    ----------
    shared : bool
        One network for all joints; otherwise one for each.
    from_joint : bool
        Each network starts from one that was trained on another joint.
    initialization : {"scratch", "imagenet"}
    domain_output, domain_norm : bool
        Output layers and batch normalization of each joint's own.
    contrast : {"none", "bottleneck", "all"}
        Scales of the contrastive term.
    prior : {"none", "all_joints", "per_joint"}
        Shape auto-encoders behind the shape term.
    """

    shared: bool = True
    from_joint: bool = False
    initialization: Initialization = "scratch"
    domain_output: bool = True
    domain_norm: bool = True
    contrast: Literal["none", "bottleneck", "all"] = "none"
    prior: PriorScope = "none"


SCHEMES: Mapping[str, Scheme] = {
    "individual": Scheme(shared=False),
    "transfer_joint": Scheme(shared=False, from_joint=True),
    "transfer_imagenet": Scheme(shared=False, initialization="imagenet"),
    "shared": Scheme(domain_output=False, domain_norm=False),
    "shared_output": Scheme(domain_norm=False),
    "shared_norm": Scheme(),
    "shared_contrast": Scheme(contrast="bottleneck"),
    "shared_multiscale": Scheme(contrast="all"),
    "shared_prior": Scheme(contrast="all", prior="all_joints"),
    "all": Scheme(contrast="all", prior="all_joints", initialization="imagenet"),
}
"""From `shared` on, each scheme is the one before and one thing more: output layers, normalization, contrast at the
bottleneck, at all scales, shape prior, ImageNet. The order of the additions is our choice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPlan:
    """One training of a scheme.

    Attributes
    ----------
    name : str
        Unique in the scheme; the run's folder.
    joints : tuple of str
    start_from : str or None
        Name of an earlier run whose weights this one starts from.
    is_result : bool
        False for a run that only serves others as a start.
    initialization, domain_output, domain_norm, prior
        See `Scheme`.
    contrast_scales : tuple of int
        Empty: no contrastive term.
    network, contrast : the configuration's parts
    settings : TrainingSettings
    sees_image : bool
    mask_channels : int
        See `SharedUNet`.
    """

    name: str
    joints: tuple[str, ...]
    start_from: str | None
    is_result: bool
    initialization: Initialization
    domain_output: bool
    domain_norm: bool
    prior: PriorScope
    contrast_scales: tuple[int, ...]
    network: NetworkConfig
    contrast: ContrastConfig
    settings: TrainingSettings
    sees_image: bool = True
    mask_channels: int = 0


def plan_runs(config: LearningConfig, targets: Sequence[str] | None = None) -> list[RunPlan]:
    """The trainings that the configuration asks for, in an order in which each starts from what is there.

    What the configuration states itself goes before what its scheme says.

    Parameters
    ----------
    config : LearningConfig
    targets : sequence of str, optional
        Joints that a result is needed for: schemes of one network for each joint leave out the others.

    Raises
    ------
    InputError
        If the parts do not fit together.
    """
    scheme = SCHEMES[config.scheme]
    network = config.network
    initialization = network.initialization or scheme.initialization
    if initialization == "imagenet" and not BACKBONES[network.backbone].imagenet:
        having = ", ".join(f'"{name}"' for name, backbone in BACKBONES.items() if backbone.imagenet)
        raise InputError(
            f'There are no ImageNet weights for the backbone "{network.backbone}", which the scheme "{config.scheme}" '
            f'starts from; set network.initialization to "scratch" or network.backbone to {having}.'
        )
    scales = _scales(config, scheme)
    prior = config.prior.scope or scheme.prior

    def run(joints: tuple[str, ...], name: str, start_from: str | None = None, *, is_result: bool = True) -> RunPlan:
        return RunPlan(
            name=name,
            joints=joints,
            start_from=start_from,
            is_result=is_result,
            initialization=initialization,
            domain_output=scheme.domain_output if network.domain_output is None else network.domain_output,
            domain_norm=scheme.domain_norm if network.domain_norm is None else network.domain_norm,
            prior=prior,
            contrast_scales=scales,
            network=network,
            contrast=config.contrast,
            settings=_settings(config, contrast=bool(scales), prior=prior != "none"),
            sees_image=config.input != "mask",
            mask_channels=0 if config.input_mask is None else ENCODING_CHANNELS[config.input_mask.encoding],
        )

    if scheme.shared:
        return [run(config.joints, config.scheme)]
    wanted = [key for key in config.joints if targets is None or key in targets]
    if not scheme.from_joint:
        return [run((key,), key) for key in wanted]
    sources = {key: _source(config, key) for key in wanted}
    firsts = [run((key,), key, is_result=False) for key in dict.fromkeys(sources.values())]
    return firsts + [run((key,), f"{key}_from_{source}", source) for key, source in sources.items()]


def _scales(config: LearningConfig, scheme: Scheme) -> tuple[int, ...]:
    asked = scheme.contrast if config.contrast.scales is None else config.contrast.scales
    named = {"none": (), "bottleneck": (0,), "all": tuple(range(LEVELS))}
    scales: tuple[int, ...] = named[asked] if isinstance(asked, str) else asked
    if any(not 0 <= scale < LEVELS for scale in scales) or len(set(scales)) != len(scales):
        raise InputError(f"contrast.scales is {list(scales)}; give levels from 0 to {LEVELS - 1}, each once.")
    if scales and (not scheme.shared or len(config.joints) < 2):
        raise InputError(
            f'The contrastive term compares joints, but the scheme "{config.scheme}" trains '
            f"{'networks of one joint each' if not scheme.shared else 'on one joint'}; "
            'set contrast.scales to "none" or choose a shared scheme with two joints or more.'
        )
    weights = config.contrast.scale_weights
    if weights is not None and (len(weights) != len(scales) or min(weights) < 0 or not sum(weights) > 0):
        raise InputError(f"contrast.scale_weights is {list(weights)}; give a number for each of {len(scales)} scales.")
    return scales


def _source(config: LearningConfig, key: str) -> str:
    source = config.transfer.source
    if len(config.joints) < 2 or (source is not None and source not in config.joints):
        raise InputError(
            f'The scheme "transfer_joint" needs two joints or more, and transfer.source among them; joints are '
            f"{', '.join(config.joints)} and transfer.source is {source or 'not set'}."
        )
    following = config.joints[(config.joints.index(key) + 1) % len(config.joints)]
    return following if source is None or source == key else source


def _settings(config: LearningConfig, *, contrast: bool, prior: bool) -> TrainingSettings:
    training = config.training.model_dump()
    if config.input == "mask":  # a mask alone does not tell the joint
        training["detection_weight"] = 0.0
    return TrainingSettings(
        **training,
        contrast_weight=config.contrast.weight if contrast else 0.0,
        prior_weight=config.prior.weight if prior else 0.0,
        seed=config.seed,
    )


def build_network(run: RunPlan) -> SharedUNet:
    """The run's network with random weights of its seed; ImageNet's or another run's are loaded afterwards."""
    torch.manual_seed(run.settings.seed)
    return SharedUNet(
        {key: len(joint(key).bones) for key in run.joints},
        run.network.decoder_channels,
        backbone=run.network.backbone,
        domain_norm=run.domain_norm,
        domain_output=run.domain_output,
        image_skip=run.network.image_skip,
        sees_image=run.sees_image,
        mask_channels=run.mask_channels,
        mask_fusion=run.network.mask_fusion if run.sees_image and run.mask_channels else "input",
    )


def build_contrast(run: RunPlan, network: SharedUNet) -> MultiScaleContrast | None:
    """The run's contrastive term, or None."""
    if not run.contrast_scales:
        return None
    return MultiScaleContrast(
        [network.encoder.channels[-1], *network.decoder_channels],
        run.contrast_scales,
        run.contrast.scale_weights,
        temperature=run.contrast.temperature,
        projection=run.contrast.projection,
    )


def start_from_joint(network: SharedUNet, weights: Mapping[str, Tensor]) -> list[str]:
    """Load a network of one other joint into a network of one joint: all but the output layers.

    Parameters
    ----------
    network : SharedUNet
        Changed in place.
    weights : mapping of str to tensor
        State of a network of the same backbone and widths.

    Returns
    -------
    list of str
        Names of the tensors that were loaded.

    Raises
    ------
    InputError
        If a tensor other than the output layers' is missing or of another shape.
    """
    if len(network.joints) != 1:
        raise InputError(
            f"Only a network of one joint starts from another joint's; this one has {len(network.joints)}."
        )
    own = network.state_dict()
    names = [name for name in own if not name.startswith(("heads.", "position.heads."))]
    unfit = [name for name in names if name not in weights or weights[name].shape != own[name].shape]
    if unfit:
        raise InputError(
            f"The weights to start from do not fit: {len(unfit)} of {len(names)} tensors are missing or of another "
            f"shape, '{unfit[0]}' for one; train both with the same backbone and decoder channels."
        )
    network.load_state_dict({name: weights[name] for name in names}, strict=False)
    return names
