"""Test slices with truth and answer, for looking at; they show patients and are not for publication."""

from __future__ import annotations

from pathlib import Path

from mask_experiment import Experiment
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


def write_pictures(experiment: Experiment, folder: Path) -> None:
    """One picture per arm at the largest n: a slice of each test case with truth (white) and answer (colored)."""
    folder.mkdir(parents=True, exist_ok=True)
    colors = ("tab:orange", "tab:cyan", "tab:green", "tab:pink")
    for (arm, n), answers in experiment.answers.items():
        figure = Figure(figsize=(4 * len(answers), 4.4), facecolor="black")
        canvas = FigureCanvasAgg(figure)
        for number, case in enumerate(experiment.task.test, start=1):
            axes = figure.add_subplot(1, len(answers), number)
            grid = case.slices.grid
            truth, found, image = (grid.orient(a) for a in (case.labels.array, answers[case.name], case.volume.array))
            at = int((truth > 0).sum(axis=(1, 2)).argmax())
            height, width = (n_ * s for n_, s in zip(grid.shape[1:], grid.pixel_mm, strict=True))
            place = {"extent": (0, width, height, 0)}
            axes.imshow(image[at], cmap="gray", **place)
            for index in range(1, len(experiment.task.structures) + 1):
                for array, color in ((truth, "white"), (found, colors[index - 1])):
                    mask = array[at] == index
                    if mask.any():
                        axes.contour(mask, levels=[0.5], colors=[color], linewidths=1, origin="upper", **place)
            axes.set_axis_off()
            axes.set_title(f"{case.name}: {arm}, n={n}", color="white", fontsize=9)
        figure.tight_layout()
        canvas.print_png(folder / f"{arm.replace('+', '_').replace(' ', '_')}_n{n}.png")
