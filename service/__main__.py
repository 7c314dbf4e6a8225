"""`python -m service` is `charge-shop`."""

import sys

from service.cli.main import main

sys.exit(main())
