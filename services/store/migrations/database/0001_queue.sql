-- Who may do what, and the door to the queue. River's own tables are made before
-- this file, by River.

-- The services read and write rows; they own nothing and change no table.
ALTER DEFAULT PRIVILEGES GRANT USAGE ON SCHEMAS TO burbn_app;
ALTER DEFAULT PRIVILEGES GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO burbn_app;
ALTER DEFAULT PRIVILEGES GRANT USAGE ON SEQUENCES TO burbn_app;
GRANT USAGE ON SCHEMA burbn, river TO burbn_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA river TO burbn_app;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA river TO burbn_app;

GRANT USAGE ON SCHEMA river TO monitor;
GRANT SELECT ON river.river_job TO monitor;

-- A client that vanished in mid-transaction must not hold its locks for ever.
DO $$ BEGIN
  EXECUTE format('ALTER DATABASE %I SET idle_in_transaction_session_timeout = ''60s''', current_database());
END $$;

-- Inserts a task as River's client would, from within a statement. job is what
-- queue.Inserter.Row returns; more is merged into its args.
CREATE FUNCTION burbn.enqueue(job jsonb, more jsonb DEFAULT '{}') RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
  task bigint;
BEGIN
  INSERT INTO river.river_job (kind, queue, max_attempts, args)
  VALUES (job->>'kind', job->>'queue', (job->>'max_attempts')::smallint, (job->'args') || more)
  RETURNING id INTO task;
  IF (job->>'notify')::boolean THEN
    PERFORM pg_notify('river.river_insert', json_build_object('queue', job->>'queue')::text);
  END IF;
  RETURN task;
END $$;
