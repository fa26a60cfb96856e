"""Recipes: the settings of `cnnrnn train` as TOML, shipped by name or a file of one's own.

A key is an option without its dashes. The optional keys `about` (a line of text) and `base` (a shipped recipe that the
file changes) stand beside them, and tables `[[size]]` with the key `up-to`: the first one whose number of training
images is not exceeded changes the settings above it.
"""

from __future__ import annotations

import inspect
import json
import math
import sys
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import typer

from cnnrnn.cli.options import BACKBONE, MODEL, OPTIMIZATION
from cnnrnn.training.config import RUN_FILE
from cnnrnn.utils.errors import UserError, did_you_mean

DEFAULT = "best"
_FOLDER = files("cnnrnn.training") / "recipes"
_MAX_BYTES = 100_000
_RESOLUTION = "image-size"  # was chosen with the recipe's backbone; another one has its own, and may take no other
_WEIGHTS = "weights"  # of the recipe's backbone, too
# How a run is started and shown, not what is trained.
_NOT_SETTINGS = {"out", "resume", "overwrite", "tensorboard", "recipe", "config", "device", "download", "help"}
_KINDS: dict[type, tuple[tuple[type, ...], str]] = {  # type of an option -> the types of TOML, and their name
    bool: ((bool,), "true or false"),
    int: ((int,), "a whole number"),
    float: ((float, int), "a number"),
    str: ((str,), "text in quotes"),
    Path: ((str,), "text in quotes"),
}


@dataclass(frozen=True)
class Setting:
    """An option of the command that a recipe may give."""

    parameter: str  # its name in Python
    kind: type  # a key of _KINDS
    choices: tuple[str, ...]  # of text, if it is one of a few
    least: float
    most: float
    by_size: bool  # whether it may depend on the number of images, which is known after they were found

    def checked(self, value: Any) -> Any:
        """A value of TOML as the option's own. Raises ValueError, which says what is allowed."""
        kinds, words = _KINDS[self.kind]
        if type(value) not in kinds:  # a bool is no int here
            raise ValueError(f"not {words}")
        if self.choices and value not in self.choices:
            raise ValueError(f"allowed are {', '.join(self.choices)}")
        if self.kind in (int, float) and not (math.isfinite(value) and self.least <= value <= self.most):
            most = "" if self.most == math.inf else f" and at most {self.most:g}"
            raise ValueError(f"it must be at least {self.least:g}{most}")
        return float(value) if self.kind is float else value


@dataclass(frozen=True)
class Recipe:
    name: str  # of a shipped recipe, or of the file
    about: str
    settings: dict[str, Any]  # key -> value
    sizes: tuple[tuple[int, dict[str, Any]], ...]  # up to so many training images: what changes

    def for_images(self, images: int) -> tuple[dict[str, Any], int | None]:
        """What changes for so many training images, and up to how many it does; None: for more than any `up-to`."""
        for up_to, changes in self.sizes:
            if images <= up_to:
                return changes, up_to
        return {}, None


def shipped() -> list[str]:
    """The names of the recipes that come with the package, the default first."""
    names = sorted(path.name.removesuffix(".toml") for path in _FOLDER.iterdir() if path.name.endswith(".toml"))
    return sorted(names, key=lambda name: name != DEFAULT)


def settings_of(context: typer.Context) -> dict[str, Setting]:
    """The options of a command that are settings, by key."""
    hints = get_type_hints(inspect.unwrap(context.command.callback or settings_of), include_extras=True)
    options = {parameter.name: parameter.opts for parameter in context.command.params}
    found = {}
    for name, hint in hints.items():
        if name in _NOT_SETTINGS or get_origin(hint) is not Annotated:
            continue
        annotation, info = get_args(hint)[:2]
        kinds = [kind for kind in get_args(annotation) if kind is not NoneType] or [annotation]
        choices = kinds if get_origin(annotation) is Literal else ()
        long = [option.removeprefix("--") for option in options[name] if option.startswith("--")]
        found[long[0] if long else name] = Setting(
            name,
            str if choices else kinds[0],
            tuple(choices),
            -math.inf if info.min is None else info.min,
            math.inf if info.max is None else info.max,
            info.rich_help_panel in (MODEL, BACKBONE, OPTIMIZATION) or name == "epochs",
        )
    return found


def read_recipe(context: typer.Context, source: str | Path) -> Recipe:
    """A shipped recipe by its name, or a recipe's file by its path. Raises UserError."""
    if isinstance(source, str):
        if source not in (names := shipped()):
            meant = did_you_mean(source, names)
            raise UserError(f"no recipe '{source}'; {meant}choose one of {', '.join(names)}, or give --config FILE")
        return _parse(context, source, (_FOLDER / f"{source}.toml").read_text(encoding="utf-8"))
    path = source / RUN_FILE if source.is_dir() else source
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise UserError(f"{path} can't be read: {error.strerror}") from None
    if len(content) > _MAX_BYTES:
        raise UserError(f"{path} has more than {_MAX_BYTES:,} bytes; a recipe has a few hundred")
    try:
        return _parse(context, str(path), content.decode())
    except UnicodeDecodeError:
        raise UserError(f"{path} is not UTF-8 text; a recipe is a TOML file") from None


def _parse(context: typer.Context, name: str, text: str) -> Recipe:
    try:
        content = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UserError(f"{name} is not TOML: {error}") from None
    about, base, sizes = content.pop("about", ""), content.pop("base", None), content.pop("size", [])
    if not isinstance(about, str):
        raise UserError(f"{name}: about = {about!r} is not a text in quotes")
    parent = Recipe(name, "", {}, ())
    if base is not None:
        if base not in shipped():
            meant = did_you_mean(str(base), shipped())
            raise UserError(f"{name}: base = {base!r} is no recipe; {meant}allowed are {', '.join(shipped())}")
        parent = read_recipe(context, base)
    known = settings_of(context)
    own = {key: _checked(known, name, key, value) for key, value in content.items()}
    if "backbone" in own or own.get("pretrained") is False:
        parent.settings.pop(_WEIGHTS, None)
    inherited = [
        (up_to, {key: value for key, value in changes.items() if key not in own}) for up_to, changes in parent.sizes
    ]
    return Recipe(
        name,
        about or parent.about,
        parent.settings | own,
        _sizes(known, name, sizes) if sizes else tuple(inherited),
    )


def _sizes(known: Mapping[str, Setting], name: str, tables: Any) -> tuple[tuple[int, dict[str, Any]], ...]:
    if not (isinstance(tables, list) and all(isinstance(table, dict) for table in tables)):
        raise UserError(f"{name}: 'size' must be tables that begin with the line [[size]]")
    changeable = {key: setting for key, setting in known.items() if setting.by_size}
    found: list[tuple[int, dict[str, Any]]] = []
    for table in tables:
        changes = dict(table)
        up_to, before = changes.pop("up-to", None), found[-1][0] if found else 0
        if not isinstance(up_to, int) or isinstance(up_to, bool) or up_to <= before:
            raise UserError(f"{name}: every [[size]] needs up-to, a number of training images above {before}")
        found.append((up_to, {key: _checked(changeable, name, key, value) for key, value in changes.items()}))
    return tuple(found)


def _checked(known: Mapping[str, Setting], name: str, key: str, value: Any) -> Any:
    """Raises UserError for a key that is no setting, and for a value that its option would not take."""
    if key not in known:
        meant = did_you_mean(key.replace("_", "-"), known)
        raise UserError(f"{name}: there is no setting '{key}'; {meant}allowed are {', '.join(known)}")
    try:
        return known[key].checked(value)
    except ValueError as error:
        raise UserError(f"{name}: {key} = {_toml(value)}: {error}") from None


def use_recipe(context: typer.Context, recipe: Recipe) -> None:
    """Make the recipe's settings the defaults of the command's options, so that what is typed wins."""
    context.obj = recipe
    known = settings_of(context)
    context.default_map = {known[key].parameter: value for key, value in recipe.settings.items()}


def chosen_settings(
    context: typer.Context, images: int, network_of: Callable[[Path], str | None]
) -> tuple[dict[str, Any], str]:
    """All settings by key, for so many training images, and what was chosen, in words.

    `network_of` tells the backbone of --weights, if these are a trained model's: whoever typed the model need not type
    its backbone.
    """
    recipe: Recipe = context.obj
    values, typed = {}, {}
    for key, setting in settings_of(context).items():
        value = context.params[setting.parameter]
        values[key] = Path(value) if value is not None and setting.kind is Path else value
        source = context.get_parameter_source(setting.parameter)
        if source is not None and source.name == "COMMANDLINE":
            typed[key] = values[key]
    named = "backbone" in typed  # a backbone by its name has ImageNet's weights, also if it is the recipe's
    if _WEIGHTS in typed and (network := network_of(typed[_WEIGHTS])):
        values["backbone"] = typed.setdefault("backbone", network)
    changes, up_to = recipe.for_images(images)
    backbone = recipe.settings.get("backbone")
    another = bool(backbone) and typed.get("backbone", backbone) != backbone
    if another:
        values[_RESOLUTION] = typed.setdefault(_RESOLUTION, None)
    if named or not values["pretrained"]:
        values[_WEIGHTS] = typed.setdefault(_WEIGHTS, None)
    changes = {key: value for key, value in changes.items() if key not in typed}
    chosen = {key: value for key, value in (recipe.settings | changes).items() if key not in typed}
    words = f"Recipe {recipe.name}" + (f": {recipe.about}" if recipe.about else "")
    if changes:
        words += f"\n  for {images:,} training images, as for any number up to {up_to:,}: {_line(changes)}"
    words += f"\n  {_line(chosen)}"
    if trained := {key: value for key, value in typed.items() if key not in ("dataset", "root", "source")}:
        words += f"\n  typed: {_line(trained)}"
    return values | changes, words


def possible_settings(context: typer.Context, network_of: Callable[[Path], str | None]) -> list[dict[str, Any]]:
    """What `chosen_settings` may choose, while the number of training images is not known."""
    recipe: Recipe = context.obj
    sizes = [up_to for up_to, _ in recipe.sizes] + [sys.maxsize]
    return [chosen_settings(context, images, network_of)[0] for images in sizes]


def run_toml(settings: Mapping[str, Any], command: str) -> str:
    """The file that repeats a run by `cnnrnn train --config FILE`."""
    lines = [f"{key} = {_toml(value)}" for key, value in settings.items() if value is not None]
    comment = "".join(letter if letter.isprintable() else " " for letter in command)
    return f"# {comment}\n# Again: cnnrnn train --config run.toml --out FOLDER\n" + "\n".join(lines) + "\n"


def _line(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} = {_toml(value)}" for key, value in settings.items() if value is not None)


def _toml(value: Any) -> str:
    """A value in TOML, whose strings and booleans are written as JSON's."""
    if isinstance(value, Path):  # a run may be repeated from another folder
        value = str(value.absolute())
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value)
