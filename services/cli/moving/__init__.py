"""Moving tenants' people in and out: files on the operator's host, messages to the services that own the rows."""
