"""`python -m service` is `charge-shop`."""

import sys

from service.cli import main

sys.exit(main())
