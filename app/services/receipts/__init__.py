"""The Merkle log of settled transactions: leaves, tiles, signed checkpoints, and proofs that anybody can check offline.

Positions, whose order the log follows, are in `services/sequencer.py`; its SQL is in `db/`, its commands are in `cli.py`.
"""
