"""The registry as a page for people: `docs/models.md` is made from it."""

from __future__ import annotations

from common.registry import Model, Registry

_ROLES = {
    "speech": "speech",
    "text": "text",
    "image": "pictures",
    "screen_text": "on-screen text",
    "faces_detect": "faces: find",
    "faces_embed": "faces: tell apart",
}


_INTRODUCTION = """\
# Models

What the profiles `cpu` and `gpu` download; `offline` downloads nothing. This page is made from
`common/registry.json` by `python -m gpu_jobs.models --table`; a test compares the two.

    make models PROFILE=cpu        fetch them into .heimdex/models (DIR=… for another place)
    make models-pin PROFILE=cpu    fill in what is not pinned, and this page

Every file is verified by the SHA-256 that the registry pins. Only formats that cannot run code are
kept: safetensors, ONNX, CTranslate2, and the JSON and text beside them. A model that ships pickles
is converted once, in a process of its own that loads tensors and nothing else; the pickles are
deleted.
"""
_LICENCES = """\
## Licences

A model is used only if its licence allows anyone commercial use (Apache-2.0, BSD, MIT) and the
registry says that it is cleared. Another is refused until the operator, who holds a licence for
it, names its key as cleared. Licences are those of the weights, as their owners state them.
"""
_PINNED = """\
## Who pinned what

Where nothing was downloaded, revisions and hashes were read in public sources that name the same
files. None was guessed: what nobody states is empty. It is taken on trust by `make models`, filled
in by `make models-pin`, and a deployment refuses a profile that has any
(`python -m gpu_jobs.models --profile gpu --check-pins`). Pinning changes the model's fingerprint,
and so the index version: index anew after it.
"""


def page(registry: Registry) -> str:
    """Markdown: which profile uses what, what each model is, and who pinned it."""
    parts = (
        _INTRODUCTION,
        "\n".join(_profiles(registry)) + "\n",
        _LICENCES,
        "\n".join(_models(registry)) + "\n",
        _PINNED,
        "\n".join(_pins(registry)) + "\n",
    )
    return "\n".join(parts)


def _profiles(registry: Registry) -> list[str]:
    names = sorted(registry.profiles)
    heads = " | ".join(f"`{name}`" for name in names)
    lines = [f"| role | {heads} |", "|---" * (len(names) + 1) + "|"]
    for role, words in _ROLES.items():
        cells = []
        for name in names:
            profile = registry.profiles[name]
            others = [key for key in profile.selectable if registry.model(key).role == role]
            default = next(
                (key for key_role, key in profile.default.items() if key_role == role), ""
            )
            chosen = "".join(f"; or {key}" for key in others)
            cells.append(f"{default}{chosen}")
        lines.append(f"| {words} | {' | '.join(cells)} |")
    return lines


def _models(registry: Registry) -> list[str]:
    lines = [
        "| model | repository | licence | cleared for commercial use | dimensions | size |",
        "|---|---|---|---|---|---|",
    ]
    for model in registry.models:
        cleared = "yes" if model.commercial else "**no**: refused unless cleared by the operator"
        lines.append(
            f"| {model.key} | {model.repository} | [{model.licence}]({model.licence_source}) | "
            f"{cleared} | {model.dimensions or '–'} | {_size(model)} |"
        )
    return lines


def _pins(registry: Registry) -> list[str]:
    lines = ["| model | revision | not pinned yet | pinned by | note |", "|---|---|---|---|---|"]
    for model in registry.models:
        lines.append(
            f"| {model.key} | {_revision(model)} | {', '.join(model.unpinned) or '–'} | "
            f"{model.pinned_by or '–'} | {model.note or '–'} |"
        )
    return lines


def _revision(model: Model) -> str:
    return f"`{model.revision}`" if model.revision else "–"


def _size(model: Model) -> str:
    if any(not file.size_bytes for file in model.files):
        known = sum(file.size_bytes for file in model.files)
        return f"over {known / 1e6:.1f} MB" if known else "unknown"
    return f"{sum(file.size_bytes for file in model.files) / 1e6:.1f} MB"
