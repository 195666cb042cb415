"""Where this terminal stands, and what its site decided."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from settlement.claim import Tier


@dataclass(frozen=True, slots=True)
class Site:
    """Where this terminal stands and what its site decided."""

    institution_name: str
    region: str  #: 就医地医保区划
    tier: Tier
    timezone: dt.tzinfo
    demonstration: bool
    on_difference: str  #: ask, stop or accept
    host_keyboard_pin: bool
    device_no: str = ""  #: 终端设备号, as callers of the old drivers are told
    psam_no: str = ""  #: 终端机编号, twelve digits; empty: no PSAM
