"""`uat edit`: other audio from audio and words."""

from __future__ import annotations

from uat_lightning.app.way import MethodName, RenderingName, ScheduleName, SolverName


def edit(
    *files: str,
    target: str | None = None,
    instruction: str | None = None,
    source: str | None = None,
    model: str = "runs/quickstart/model",
    out: str = "edited.wav",
    manifest: str | None = None,
    method: MethodName = "FlowEdit",
    strength: float | None = None,
    region: str | None = None,
    candidates: int = 1,
    clap: str | None = None,
    window: float = 4.0,
    start: float = 0.0,
    end: float | None = None,
    seed: int = 0,
    steps: int = 50,
    guidance: float | None = None,
    guidance_rescale: float = 0.9,
    source_guidance: float | None = None,
    negative: str | None = None,
    solver: SolverName = "Euler",
    schedule: ScheduleName = "uniform",
    rendering: RenderingName = "ChangedBins",
    device: str = "auto",
) -> None:
    """Change audio files so that they deserve another caption, or as an instruction says.

    Any rate, channels and length go in. Out comes the model's rate or, where there is a region, the file itself: its
    rate, channels and sample format, and outside of the region its very samples. Beside every sound file lies a .json
    file with what made it.

    Args:
        *files: Sound files to edit; several results are numbered: edited-1.wav, edited-2.wav.
        target: What is to be heard in the end, the things that stay included.
        instruction: What to change instead: add, remove, replace something or make it louder, quieter, faster, slower,
            higher, lower, as in "replace the bell with a siren". It is applied to what is heard; Instructed follows it
            as it is said.
        source: What is heard; the model writes it where it is needed and not given, and goes without where it is empty.
        model: Model folder.
        out: Sound file to write: .wav, .flac, .ogg, .mp3 or .aiff.
        manifest: A .jsonl file of more edits, each line with audio and, where they differ from the options, target,
            instruction, source, region and out.
        method: FlowEdit follows the difference that the texts of source and target make; SDEdit noises the source part
            of the way and denoises it; Inversion, RFInversion and EditFriendlyInversion find the noise that makes the
            source and go on from there; Inpainting makes a region anew; Variation follows the source's own text;
            Interpolation goes half-way. Models that were trained on edits (edit.yaml) see the source as well:
            SourceConditioned makes what the target says, SourceDifference stays nearer to the source and
            does less of it, Instructed follows an instruction as it is said.
        strength: Noise level to start from, 0 to 1: 0 keeps the source; the method's own where not given.
        region: Where the file may change, in seconds, 2.0:5.5 or 1:2,4:4.5; auto finds it. Everywhere where not given.
        candidates: Results to choose each from: the one that deserves its text most in the model's own opinion,
            or in that of --clap.
        clap: Folder of a CLAP as transformers writes it, which chooses among the candidates in place of the model.
        window: Longest audio that the model looks at at once, in seconds; what is longer is edited in overlapping ones.
        start: Where to begin in each file, in seconds.
        end: Where to stop in each file, in seconds; its end where not given.
        seed: Seed of the first result; result i has seed + i.
        steps: Steps from pure noise to clean; an edit takes its share of them.
        guidance: How strictly the target is followed; 1 is as trained, 4 exaggerates. Where not given 4, and 5 for
            SourceConditioned and SourceDifference.
        guidance_rescale: Takes back what guidance adds in level, 0 (none) to 1 (all of it).
        source_guidance: How strictly the source is followed, 1 as trained, or by FlowEdit its text.
        negative: Caption of what is not to be heard; guidance leads away from it.
        solver: Euler; Heun and Midpoint look twice at each step; the others once, and remember what they saw.
        schedule: Where the steps are; uniform ones, or more of them at low noise or at high noise.
        rendering: ChangedBins keeps the source's own sound where the edit does not change it; Decoded is what the codec
            makes of the whole, as generation is.
        device: cpu, cuda, cuda:1 and so on, or auto.

    Raises:
        ValueError: If an option or a file cannot be used; nothing is written then. If an instruction names nothing that
            is heard in a file; the others are edited all the same.
    """
    from uat_lightning.app.edit_jobs import check_readable, jobs_of
    from uat_lightning.app.editing import Editor, edit_all
    from uat_lightning.app.model import open_model
    from uat_lightning.app.output import check_numbers
    from uat_lightning.app.sources import Part
    from uat_lightning.app.way import chosen_guidance, chosen_judge, chosen_method, chosen_rendering, chosen_solver
    from uat_lightning.sampling.editing import VelocityDifference
    from uat_lightning.tasks import ChosenEdit, Edit

    check_numbers(seed, window=window)
    chosen = chosen_method(method, strength, source_guidance)
    guidance = chosen.usual_guidance if guidance is None else guidance
    way, guided = chosen_solver(solver, steps, schedule), chosen_guidance(guidance, guidance_rescale)
    asked = {"target": target, "instruction": instruction, "source": source, "region": region}
    jobs = jobs_of(files, out, manifest, {**asked, "part": Part(start, end)})
    if not chosen.follows_instructions:
        check_readable(jobs)
    judge = chosen_judge(clap, candidates, device)
    edits = [
        ChosenEdit(
            Edit(chosen, way, guided, negative, None, window, finder, chosen_rendering(rendering)), judge, candidates
        )
        for finder in (None, VelocityDifference())
    ]
    settings: dict[str, object] = {"method": method, "strength": strength, "start": start, "end": end}
    settings |= {"candidates": candidates, "window": window, "steps": steps, "solver": solver, "schedule": schedule}
    settings |= {"guidance": guidance, "guidance_rescale": guidance_rescale, "rendering": rendering}
    settings |= {"source_guidance": source_guidance, "negative": negative}
    settings |= {"clap": None if judge is None else judge.embedder.identity}
    opened = open_model(model, device)
    chosen.check(opened.parts.backbone)
    if negative is not None:
        opened.parts.read([negative])
    edit_all(Editor(opened, edits[0], edits[1], seed, settings), jobs)
