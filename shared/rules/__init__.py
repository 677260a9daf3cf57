"""Decisions that more than one service makes, as pure functions: the same facts give the same answer everywhere."""
