"""`python -m cnnrnn`, and `torchrun … -m cnnrnn`."""

from cnnrnn.cli.main import main

if __name__ == "__main__":
    main()
