-- Stripe's news: the poller's place in Stripe's list is written down, not worked out.

-- It used to be the newest event the poller had seen, by the second of its making and then by when we received it. Stripe's list has its own
-- order within a second: where a hundred events of one second had been brought by webhooks in another order, or a clock was set back, the
-- place stayed where it was and every poll read the same page again.
CREATE TABLE stripe_news_mark (
    one          boolean PRIMARY KEY DEFAULT true CHECK (one),  -- one row: there is one list
    event_ref    text NOT NULL                                   -- the poller reads on from here; nothing before it is unread
);
INSERT INTO stripe_news_mark (event_ref)
    SELECT id FROM stripe_events WHERE polled ORDER BY created_at DESC, received_at DESC, id DESC LIMIT 1;

-- Read and written by processes of the version before; the release after this one drops the column.
ALTER TABLE stripe_events ALTER COLUMN polled SET DEFAULT false;
