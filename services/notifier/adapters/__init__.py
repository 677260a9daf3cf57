"""What touches the world: mail servers, the SMS provider, the templates."""
