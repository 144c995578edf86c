from typing import final

P_NARROW: int
P_WIDE: int

@final
class Plan:
    integers: dict[str, int]
    def __init__(self, p: int, mu: int) -> None: ...

def centred(value: int, p: int) -> int: ...
def plan(p: int, mu: int) -> Plan: ...
