"""The words that services say to each other: commands (may be refused), events (facts), and their envelope."""
