"""The services. They talk by message and never import each other; only `cli`, which runs them, may import them all."""
