"""`python -m faust`: the same as the program `faust`."""

from faust_cli.main import main

if __name__ == "__main__":
    main()
