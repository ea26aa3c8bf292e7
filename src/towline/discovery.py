"""Modules of a package, found by their names: one file adds a step, a strategy or a listener."""

import importlib
import importlib.util
import pkgutil
from types import ModuleType


def module_names(package: str) -> list[str]:
    """Names of the modules in a package, without importing them."""
    spec = importlib.util.find_spec(package)
    places = (spec.submodule_search_locations if spec else None) or []
    return sorted(item.name for item in pkgutil.iter_modules(places))


def find_modules(package: str) -> dict[str, ModuleType]:
    """Name -> module, of all modules in a package."""
    return {name: importlib.import_module(f"{package}.{name}") for name in module_names(package)}
