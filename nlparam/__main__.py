"""`python -m nlparam` is the command `nlparam`."""

from nlparam.cli import main

if __name__ == "__main__":
    main()
