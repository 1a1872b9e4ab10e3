-- Reports and what moderators did about them. They are of the database, not of a
-- shard: the queue is read as a whole.
CREATE TABLE burbn.reports (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  subject varchar(7) NOT NULL CHECK (subject IN ('user', 'media', 'comment')),
  subject_id bigint NOT NULL,
  media_id bigint, -- of a comment
  user_id bigint NOT NULL, -- whose it is
  reporter_id bigint NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  closed_at timestamptz,
  reason varchar(20) NOT NULL,
  note varchar(1000) NOT NULL DEFAULT '',
  UNIQUE (subject, subject_id, reporter_id)
);
CREATE INDEX open_reports ON burbn.reports (created_at) WHERE closed_at IS NULL;

CREATE TABLE burbn.audit (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at timestamptz NOT NULL DEFAULT now(),
  operator varchar(100) NOT NULL,
  act varchar(20) NOT NULL,
  subject varchar(7) NOT NULL,
  subject_id bigint NOT NULL,
  reason varchar(1000) NOT NULL
);
CREATE INDEX audit_of_subject ON burbn.audit (subject_id);


-- Who was erased. What names them elsewhere and no index finds is swept away by the next
-- Purge, which goes over everything anyway; then they leave this table, too.
CREATE TABLE burbn.departed (
  user_id bigint PRIMARY KEY,
  at timestamptz NOT NULL DEFAULT now()
);

GRANT SELECT, INSERT, DELETE ON burbn.departed TO burbn_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON burbn.reports TO burbn_app;
GRANT SELECT, INSERT ON burbn.audit TO burbn_app; -- what is written there stays
