"""What the notifier does: queue, send, take in receipts."""
