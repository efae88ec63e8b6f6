-- Long queues: what tens of thousands of jobs and events cost each of those that read them.

-- pgqueuer's own, for a query it does not ask any more: its jobs are picked for each kind by (entrypoint, priority, id). With two kinds of
-- jobs waiting the planner expects every second entry to be of the kind it looks for; for a kind of which none waits that meant reading the
-- whole queue, at every pick: 350 ms with 40,000 jobs, 6 ms without this index.
DROP INDEX pgqueuer_priority_id_id1_idx;

-- The poller reads on from the newest event it has seen.
CREATE INDEX stripe_events_newest_polled ON stripe_events (created_at DESC, received_at DESC, id DESC) WHERE polled;

-- Whether somebody still uses a card that is to be forgotten: asked for each charge that is given up.
CREATE INDEX pledges_payment_method ON pledges (payment_method_ref) WHERE payment_method_ref IS NOT NULL;
CREATE INDEX saved_cards_payment_method ON saved_cards (payment_method_ref);
