"""The chapters of the story. Each step does one thing through HTTP and says what it saw."""
