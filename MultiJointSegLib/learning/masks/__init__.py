"""Global binary masks: position and shape as an input of the network.

References
----------
Kazemimoghadam, Yang, Ma, Chen, Lu, Gu. 2022, arXiv:2205.09107: a mask as the only input, or as an additional channel.
What the mask shows is not defined there; our sources are `skin`, `bone`, `organ` and `oracle`.
"""
