"""`python -m archdsl.syntax.make_tables` saves the parsers of grammars that have changed."""

from __future__ import annotations

from archdsl.syntax.language import FOLDER, GRAMMARS, save


def main() -> None:
    for name in GRAMMARS:
        state = "written" if save(name) else "up to date"
        print(f"{FOLDER.name}/{name}.json: {state}")


if __name__ == "__main__":
    main()
