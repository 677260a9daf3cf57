"""The main job, told step by step through HTTP: `make demo`, and the acceptance tests on both buses."""
