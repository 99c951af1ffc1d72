"""What reconciler leaves behind to be read again: receipts and suspensions."""
