"""What a search has found: the report, a fair comparison, and how far its proxy can be trusted."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from atrous.cli.shared import RUNS, CacheOption, Json, RunPath, default_cache
from atrous.core.console import output


def report(
    run: RunPath,
    against: Annotated[
        Path | None, typer.Option(help="Another run under the same proxy, to compare with.")
    ] = None,
) -> None:
    """Prints the leaderboard and writes it as CSV beside a page with everything about the run."""
    from atrous.cli.tables import leaderboard_table, rankings
    from atrous.report.leaderboard import leaderboard
    from atrous.report.page import write_report
    from atrous.report.rerank import second_ranking
    from atrous.search.run import open_run

    found = open_run(run)
    page = write_report(found, open_run(against) if against else None)
    entries = found.ledger().entries()
    output.print(leaderboard_table(leaderboard(found, entries), entries))
    if found.reranked():
        output.print(rankings(second_ranking(found)))
    output.print(f"report: {page.resolve()}", soft_wrap=True)


def compare(
    run: RunPath,
    architectures: Annotated[
        str | None,
        typer.Option(
            help="What to train anew; best is the best of the run [it and its family's baselines]."
        ),
    ] = None,
    on: Annotated[
        str, typer.Option(help="Splits to score on [all that the search has not seen].")
    ] = "",
    seeds: Annotated[int, typer.Option(min=2, help="Fresh seeds for each architecture.")] = 3,
    as_json: Json = False,
    cache: CacheOption = None,
) -> None:
    """Trains the best of a run and others with fresh seeds, and scores them on other images."""
    from atrous.cli.tables import comparison_table
    from atrous.search.run import open_run
    from atrous.spaces import family_of
    from atrous.stages import compare as comparison

    opened = open_run(run)
    usual = ("best", *family_of(opened.config.space).defaults.baselines)
    told = usual if architectures is None else architectures.split(",")
    chosen = tuple(name for name in told if name)
    splits = tuple(split for split in on.split(",") if split)
    found = comparison.compare(opened, chosen, splits, seeds, cache or default_cache())
    if as_json:
        print(json.dumps(asdict(found), indent=2))
    else:
        output.print(comparison_table(found))


def fidelity(
    data: Annotated[Path, typer.Argument(help="The folder of a data set.")],
    large_backbone: Annotated[
        str, typer.Option(help="A timm model, or none to leave the large backbone out.")
    ] = "xception65",
    large_weights: Annotated[
        str, typer.Option(help="auto (timm's hub), builtin, none, or a file.")
    ] = "auto",
    large_cached: Annotated[
        bool,
        typer.Option(
            "--large-cached", help="Freeze the large backbone too: for machines without a GPU."
        ),
    ] = False,
    cells: Annotated[int, typer.Option(help="How many of the 31 cells to measure.")] = 31,
    steps: Annotated[int, typer.Option(help="Training steps on cached features.")] = 400,
    end_to_end_steps: Annotated[int, typer.Option(help="Training steps end to end.")] = 400,
    select_on: Annotated[
        str, typer.Option(help="What scores are taken on, as atrous search takes it.")
    ] = "val",
    backbone: Annotated[str, typer.Option(help="The small one: a timm model.")] = (
        "tf_efficientnet_lite0"
    ),
    weights: Annotated[
        str, typer.Option(help="auto (timm's hub), builtin, none, or a file.")
    ] = "auto",
    output_stride: Annotated[int, typer.Option(help="8 or 16.")] = 16,
    crop: Annotated[
        str | None, typer.Option(help="Canvas HxW of every image [the largest, 513 at most].")
    ] = None,
    filters: Annotated[int, typer.Option(help="Width of the cells; the paper's is 256.")] = 64,
    batch: Annotated[int, typer.Option(help="Images a step.")] = 8,
    rate: Annotated[float, typer.Option(help="Base learning rate on cached features.")] = 0.1,
    end_to_end_rate: Annotated[float, typer.Option(help="Base learning rate end to end.")] = 0.01,
    workers: Annotated[
        int | None,
        typer.Option(help="Trials at a time [cached: the fastest split, measured; else 1]."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of first weights and batches.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    out: Annotated[Path | None, typer.Option(help="The study's folder [runs/fidelity].")] = None,
    cache: CacheOption = None,
) -> None:
    """Trains 31 small cells by proxy and in full, and tells how far their ranks agree.

    Interrupted, it goes on where it stopped when it is asked for again.
    """
    from atrous.data.canvas import parse_size
    from atrous.stages.fidelity.measure import measure, prepare
    from atrous.stages.fidelity.result import gather
    from atrous.stages.fidelity.study import StudySettings
    from atrous.stages.fidelity.summary import StudyView, render, write_summary

    asked = StudySettings(
        data=str(data),
        select_on=select_on,
        cells=cells,
        backbone=backbone,
        weights=weights,
        large_backbone=large_backbone,
        large_weights=large_weights,
        large_cached=large_cached,
        output_stride=output_stride,
        crop=parse_size(crop) if crop else None,
        filters=filters,
        steps=steps,
        end_to_end_steps=end_to_end_steps,
        batch=batch,
        rate=rate,
        end_to_end_rate=end_to_end_rate,
        workers=workers,
        seed=seed,
        device=device,
    )
    out = out or RUNS / "fidelity"
    study, ways = prepare(asked, out, cache or default_cache())
    view = StudyView(cells)
    try:
        with view.shown():
            measure(study, ways, view.begin, view.watch)
    except KeyboardInterrupt:
        done = sum(map(len, study.entries().values()))
        output.print(f"Stopped; {done} trials are kept. Go on: ask again as before.")
        write_summary(gather(study), out)
        raise
    found = gather(study)
    output.print(render(found))
    output.print(f"summary: {write_summary(found, out).resolve()}", soft_wrap=True)
