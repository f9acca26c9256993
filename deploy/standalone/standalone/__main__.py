"""`python -m standalone`: the `stave` command."""

from standalone.cli import main

if __name__ == "__main__":
    main()
