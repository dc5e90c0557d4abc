from dataclasses import dataclass
class Selection: pass
def added_noise(): pass
def greedy_selection(): pass
