"""The command line: `charge-shop` and what it can do besides serving."""
