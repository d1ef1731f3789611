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


def table(registry: Registry) -> str:
    """Markdown: which profile uses what, then what each model is and who pinned it."""
    return "\n".join([*_profiles(registry), "", *_models(registry), "", *_pins(registry), ""])


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
