"""sqlite-utils without the analytics it would pull in.

It imports pandas and NumPy wherever they are installed (for writing frames), which
costs a till 350 ms and 60 MB at every start. They are hidden while it loads; whoever
imports them later gets them.
"""

from __future__ import annotations

import sys

_HEAVY = ("numpy", "pandas")
_hidden = [name for name in _HEAVY if name not in sys.modules]
sys.modules.update(dict.fromkeys(_hidden))  # type: ignore[arg-type] # None is "not there" to an import
try:
    from sqlite_utils import Database
finally:
    for name in _hidden:
        del sys.modules[name]

__all__ = ["Database"]
