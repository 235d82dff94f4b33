"""`python -m faust_cli`, for where the script `faust` is not on the path."""

from faust_cli.main import main

if __name__ == "__main__":
    main()
