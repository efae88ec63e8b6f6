"""Jinja with one folder of base templates and one folder per surface (`rider/trip.html` is surfaces/rider/templates/trip.html)."""

from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PrefixLoader, StrictUndefined, select_autoescape
from litestar.plugins.jinja import JinjaTemplateEngine
from litestar.template import TemplateConfig

from app.web import formats
from app.web.static_files import static_url

WEB_TEMPLATES = Path(__file__).parent / "templates"


def build_environment(surfaces: Path, **constants: Any) -> Environment:
    """The Jinja environment of all pages: strict (an unknown name is an error), escaped, with our filters."""
    folders = {folder.parent.name: FileSystemLoader(folder) for folder in sorted(surfaces.glob("*/templates"))}
    environment = Environment(
        loader=ChoiceLoader([FileSystemLoader(WEB_TEMPLATES), PrefixLoader(folders)]),
        undefined=StrictUndefined,
        autoescape=select_autoescape(default=True),
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.do"],
    )
    environment.globals.update(static_url=static_url, **constants)
    environment.filters.update(formats.FILTERS)
    return environment


def template_config(environment: Environment) -> TemplateConfig[JinjaTemplateEngine]:
    """What Litestar needs of it."""
    return TemplateConfig(instance=JinjaTemplateEngine.from_environment(environment))
