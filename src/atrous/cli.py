"""The command line. Each command gathers its arguments and hands over."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from rich.console import Console
from rich.table import Table

from atrous.errors import AtrousError

if TYPE_CHECKING:
    from atrous.driver import Material

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Finds the dense-prediction network that fits your images, device and budget.",
)
output = Console(markup=False)

RUNS = Path("runs")
TRIALS = 60
RESUMABLE = {"data", "out", "resume", "cache", "trials", "time"}
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
RunPath = Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run.")]
CacheOption = Annotated[
    Path | None, typer.Option("--cache", help="Where features are kept [~/.cache/atrous].")
]


def main() -> None:
    """Runs the command line; ends the process with 1 for an error, 130 for an interruption."""
    signal.signal(signal.SIGTERM, _terminate)
    try:
        app()
    except AtrousError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


def _terminate(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


@app.command()
def spaces(as_json: Json = False) -> None:
    """Lists the search spaces with their exact sizes."""
    from atrous.spaces import SPACES

    found = [make() for make in SPACES.values()]
    if as_json:
        rows = [
            {"name": s.name, "title": s.title, "size": s.size(), "published": list(s.published)}
            for s in found
        ]
        print(json.dumps(rows, indent=2))
        return
    table = Table("space", "what", "architectures", "published")
    for space in found:
        names = ", ".join(f"{space.name}:{key}" for key in space.published)
        table.add_row(space.name, space.title, f"{space.size():,}", names)
    output.print(table)


@app.command()
def describe(
    architecture: Annotated[
        str, typer.Argument(help="dpc:top1, dpc:aspp, a genotype, or a .json file.")
    ],
    channels: Annotated[
        int | None, typer.Option(help="Channels of the feature map [320, or the backbone's].")
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(
            help="HxW: the feature map [65x129], or with --backbone the image [1025x2049]."
        ),
    ] = None,
    filters: Annotated[int, typer.Option(min=1, help="Channels of each branch.")] = 256,
    backbone: Annotated[str | None, typer.Option(help="A timm model to count too.")] = None,
    output_stride: Annotated[int, typer.Option(help="Of the backbone: 8 or 16.")] = 16,
    write: Annotated[
        Path | None, typer.Option(help="Also write the cell, in the reference's JSON format.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Draws a cell and counts its parameters and multiply-adds."""
    from atrous import describe as description
    from atrous.estimation.crop import feature_size, parse_size
    from atrous.named import find_architecture
    from atrous.spaces.dpc import decode
    from atrous.spaces.dpc_json import write_cell

    found, cost = find_architecture(architecture), None
    extent = parse_size(size or ("1025x2049" if backbone else "65x129"))
    if backbone:
        from atrous.models.backbones import backbone_cost, outline

        network = outline(backbone, output_stride)
        cost, channels = backbone_cost(network, extent), network.channels[output_stride]
        extent = feature_size(extent, output_stride)
    if write:
        write.write_text(write_cell(decode(found.genotype)))
    described = description.describe(found, channels or 320, filters, extent, cost)
    if as_json:
        print(json.dumps(described.to_json(), indent=2))
    else:
        output.print(description.render(described))


@app.command()
def check(
    data: Annotated[Path, typer.Argument(help="The folder of a data set.")], as_json: Json = False
) -> None:
    """Looks for everything that is wrong with a data set; exit code 1 if something is."""
    from atrous.data.check import check as check_data
    from atrous.data.check_view import render

    report = check_data(data)
    if as_json:
        print(json.dumps(asdict(report), indent=2))
    else:
        output.print(render(report))
    if any(problem.severity == "error" for problem in report.problems):
        raise typer.Exit(1)


@app.command()
def scenes(
    folder: Annotated[Path, typer.Argument(help="Where to write.")],
    images: Annotated[int, typer.Option(min=3, help="How many, over all splits.")] = 240,
    seed: Annotated[int, typer.Option(help="Other seeds draw other scenes.")] = 0,
) -> None:
    """Draws street-like scenes with their masks, a data set to try things on."""
    from atrous.data.scenes.scene import write_scenes

    dataset = write_scenes(folder, images, seed)
    counts = ", ".join(f"{len(samples)} {split}" for split, samples in dataset.splits.items())
    output.print(f"{folder}: {counts} images of {len(dataset.classes)} classes")


@app.command()
def search(
    context: typer.Context,
    data: Annotated[Path | None, typer.Argument(help="The folder of a data set.")] = None,
    space: Annotated[str, typer.Option(help="A space; atrous spaces lists them.")] = "dpc",
    strategy: Annotated[str, typer.Option(help="random or local.")] = "local",
    trials: Annotated[
        int | None, typer.Option(help="How many candidates, baselines not counted [60].")
    ] = None,
    time: Annotated[
        str | None, typer.Option(help="No trial begins after this: 90s, 30m, 2h.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Trials at a time [the fastest split, measured].")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of proposals, first weights and batches.")] = 0,
    out: Annotated[Path | None, typer.Option(help="The run's folder [runs/DATE].")] = None,
    select_on: Annotated[
        str,
        typer.Option(
            help="What scores are taken on: val, or a part of train held out by a "
            "fraction (0.2) or by file-name prefix (0006R0)."
        ),
    ] = "val",
    backbone: Annotated[str, typer.Option(help="A timm model.")] = "tf_efficientnet_lite0",
    weights: Annotated[
        str, typer.Option(help="auto (timm's hub), builtin, none, or a file.")
    ] = "auto",
    output_stride: Annotated[int, typer.Option(help="8 or 16.")] = 16,
    crop: Annotated[
        str | None,
        typer.Option(help="Canvas HxW of every image [the largest, 513 at most]."),
    ] = None,
    filters: Annotated[int, typer.Option(help="Width of the cell; the paper's is 256.")] = 64,
    steps: Annotated[int, typer.Option(help="Training steps of a trial.")] = 400,
    batch: Annotated[int, typer.Option(help="Images a step.")] = 8,
    rate: Annotated[float, typer.Option(help="Base learning rate.")] = 0.1,
    score: Annotated[str, typer.Option(help="miou, blend or cross-entropy.")] = "miou",
    baselines: Annotated[str, typer.Option(help="Architectures to run beside.")] = (
        "dpc:aspp,dpc:top1"
    ),
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on with the run named instead of DATA, or the last."),
    ] = False,
    cache: CacheOption = None,
) -> None:
    """Searches the space on the data set; interrupted, it goes on with --resume."""
    from atrous import driver
    from atrous.estimation.crop import parse_size
    from atrous.run import extend, latest_run, open_run

    if resume:
        _refuse_to_change(context)
        path = data or out or latest_run(RUNS)
        if trials is not None or time:
            extend(open_run(path), trials, parse_duration(time) if time else None)
        _drive(path, None, cache or default_cache())
        return
    if data is None:
        raise AtrousError("Expected the folder of a data set: atrous search DATA.")
    request = driver.Request(
        data=data,
        select_on=select_on,
        space=space,
        strategy=strategy,
        baselines=tuple(name for name in baselines.split(",") if name),
        trials=TRIALS if trials is None else trials,
        seconds=parse_duration(time) if time else None,
        workers=workers,
        seed=seed,
        backbone=backbone,
        weights=weights,
        output_stride=output_stride,
        crop=parse_size(crop) if crop else None,
        filters=filters,
        steps=steps,
        batch=batch,
        rate=rate,
        score=score,
        device=device,
    )
    out = out or RUNS / datetime.now().strftime("%Y-%m-%d-%H%M%S")
    _, material = driver.begin(request, out, cache or default_cache())
    _drive(out, material, cache or default_cache())


@app.command()
def status(run: RunPath) -> None:
    """Shows how far a search is; from any terminal, at any time."""
    from atrous.run import open_run
    from atrous.search_view import status as render

    found = open_run(run)
    output.print(render(found, found.ledger().entries(), found.is_running()))


@app.command()
def report(
    run: RunPath,
    against: Annotated[
        Path | None, typer.Option(help="Another run under the same proxy, to compare with.")
    ] = None,
) -> None:
    """Prints the leaderboard and writes it as CSV beside a page with everything about the run."""
    from atrous.report.leaderboard import leaderboard, render
    from atrous.report.page import write_report
    from atrous.run import open_run

    found = open_run(run)
    page = write_report(found, open_run(against) if against else None)
    entries = found.ledger().entries()
    output.print(render(leaderboard(found, entries), entries))
    output.print(f"report: {page.resolve()}", soft_wrap=True)


@app.command()
def compare(
    run: RunPath,
    architectures: Annotated[
        str, typer.Option(help="What to train anew; best is the best of the run.")
    ] = "best,dpc:aspp,dpc:top1",
    on: Annotated[
        str, typer.Option(help="Splits to score on [all that the search has not seen].")
    ] = "",
    seeds: Annotated[int, typer.Option(min=2, help="Fresh seeds for each architecture.")] = 3,
    as_json: Json = False,
    cache: CacheOption = None,
) -> None:
    """Trains the best of a run and others with fresh seeds, and scores them on other images."""
    from atrous import driver
    from atrous.comparison_view import render
    from atrous.run import open_run

    chosen = tuple(name for name in architectures.split(",") if name)
    splits = tuple(split for split in on.split(",") if split)
    found = driver.compare(open_run(run), chosen, splits, seeds, cache or default_cache())
    if as_json:
        print(json.dumps([asdict(reading) for reading in found.readings], indent=2))
    else:
        output.print(render(found))


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Where everything goes.")] = Path("demo"),
    cache: CacheOption = None,
) -> None:
    """The whole way on built-in scenes with real pretrained weights, in a few minutes."""
    from atrous import driver
    from atrous.demo import demo_request

    run, material, kept = out / "run", None, cache or default_cache()
    if not (run / "run.json").exists():
        _, material = driver.begin(demo_request(out), run, kept)
    _drive(run, material, kept)
    report(run)


def parse_duration(text: str) -> float:
    """`90s`, `30m` or `2h` in seconds."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", text.strip())
    if not match:
        raise AtrousError(f"Expected a time such as 90s, 30m or 2h, got {text!r}.")
    return float(match[1]) * {"s": 1, "m": 60, "h": 3600}[match[2]]


def _refuse_to_change(context: typer.Context) -> None:
    """A run goes on as it began: what would make its trials incomparable is refused."""
    given = (name for name in context.params if name not in RESUMABLE)
    changed = [
        f"--{name.replace('_', '-')}"
        for name in given
        if (source := context.get_parameter_source(name)) and source.name == "COMMANDLINE"
    ]
    if changed:
        raise AtrousError(
            f"With --resume, a search goes on as it began: {', '.join(changed)} cannot be changed. "
            "Only --trials and --time can. Start a new run for anything else."
        )


def _drive(path: Path, material: Material | None, cache: Path) -> None:
    """Runs what is left of a run and says how to go on if it is interrupted."""
    from atrous import driver
    from atrous.run import open_run
    from atrous.search_view import SearchView, state_of

    run = open_run(path)
    material = material or driver.material_of(run, cache)
    view = SearchView(run, run.ledger().entries())
    try:
        with view.shown():
            driver.proceed(run, material, view.watch)
    except KeyboardInterrupt:
        done = len(run.ledger().entries())
        output.print(f"Stopped; {done} trials are kept. Go on: atrous search --resume {path}")
        raise
    state = state_of(run, run.ledger().entries(), running=False)
    output.print(f"The search is {state}. See the results: atrous report {path}", soft_wrap=True)


def default_cache() -> Path:
    """Where features are kept unless --cache names another place."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "atrous"
