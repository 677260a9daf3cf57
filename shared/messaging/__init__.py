"""How messages travel: one `Bus` protocol over RabbitMQ or over PostgreSQL lanes, handler tables, outbox relay."""
