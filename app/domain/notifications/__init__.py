"""What people are told: mails queued with the change they tell of, rendered and sent by a worker."""
