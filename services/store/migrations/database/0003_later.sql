-- Inserts a task that is not to run before at. Nobody waits for it, so nobody is
-- notified: the workers' poll finds it.
CREATE FUNCTION burbn.enqueue_at(at timestamptz, job jsonb, more jsonb DEFAULT '{}') RETURNS bigint
LANGUAGE sql AS $$
  INSERT INTO river.river_job (kind, queue, max_attempts, args, scheduled_at)
  VALUES (job->>'kind', job->>'queue', (job->>'max_attempts')::smallint, (job->'args') || more, at)
  RETURNING id
$$;
