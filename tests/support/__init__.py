"""What tests stand on: private servers, builders, a person with an authenticator."""
