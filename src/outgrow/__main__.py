"""`python -m outgrow`."""

from .cli import main

main()
