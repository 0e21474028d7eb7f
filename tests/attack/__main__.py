"""Carry out all attacks, or those that are named; `--list` tells them. Exits with 1 where the door gives way."""

import argparse
import asyncio
import importlib
import pkgutil
import sys

import tests.attack
from tests.attack.frame import Attack, measure


def known() -> dict[str, Attack]:
    """Give every attack by its name, which is that of its module."""
    names = sorted(one.name for one in pkgutil.iter_modules(tests.attack.__path__) if one.name != "__main__")
    modules = {name: importlib.import_module(f"tests.attack.{name}") for name in names}
    return {name: module.ATTACK for name, module in modules.items() if hasattr(module, "ATTACK")}


def main() -> None:
    """Attack."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--list", action="store_true")
    options, attacks = parser.parse_args(), known()
    if options.list:
        print(*(f"{name:20} {one.what}" for name, one in attacks.items()), sep="\n")
        return
    if unknown := set(options.names) - set(attacks):
        parser.error(f"no attack is called {', '.join(sorted(unknown))}")
    held = [asyncio.run(measure(attacks[name])) for name in options.names or attacks]
    sys.exit(not all(held))


if __name__ == "__main__":
    main()
