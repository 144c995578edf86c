from typing import final

from logmap_cy.vector.float_plan import FloatPlan

P_NARROW: int
P_WIDE: int

@final
class Plan:
    integers: dict[str, int]
    floats: FloatPlan | None
    def __init__(self, p: int, mu: int) -> None: ...

def plan(p: int, mu: int) -> Plan: ...
