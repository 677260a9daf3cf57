"""Pure decisions over frozen facts. Nobody here reads, writes or asks for the time."""
