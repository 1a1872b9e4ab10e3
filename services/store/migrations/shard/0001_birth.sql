-- One logical shard. {{schema}} is its schema, which is also the search path of
-- this file, and {{shard}} its number.
--
-- There are thousands of them, and replicas replay each relation: so there is no
-- index that no query uses, no foreign key, and text is bounded where that saves
-- the table a TOAST relation.

CREATE SCHEMA {{schema}};

CREATE SEQUENCE id_sequence;

-- 41 bits of milliseconds since 2026-01-01T00:00:00Z (id.Epoch), 13 of the
-- shard, 10 of the sequence. In order to the millisecond, and unique as long as
-- the shard makes no more than 1,024 in the time that one call may take; beyond
-- that an insert fails on its primary key.
CREATE FUNCTION next_id() RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
  RETURN ((floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint - 1767225600000) << 23)
    | ({{shard}} << 10)
    | (nextval('{{schema}}.id_sequence') % 1024);
END $$;

-- A claimed name lies on the shard of its hash, in the form in which names are
-- compared.
CREATE TABLE names (
  name varchar(30) PRIMARY KEY CHECK (name ~ '^[a-z0-9._]+$'),
  user_id bigint NOT NULL
);

CREATE TABLE users (
  id bigint PRIMARY KEY,
  media_count bigint NOT NULL DEFAULT 0 CHECK (media_count >= 0),
  follower_count bigint NOT NULL DEFAULT 0 CHECK (follower_count >= 0),
  following_count bigint NOT NULL DEFAULT 0 CHECK (following_count >= 0),
  created_at timestamptz NOT NULL DEFAULT now(),
  name varchar(30) NOT NULL, -- as its owner wrote it
  full_name varchar(64) NOT NULL DEFAULT '',
  bio varchar(150) NOT NULL DEFAULT '',
  password_hash varchar(128) NOT NULL
) WITH (fillfactor = 85); -- room for counters to change within the page

CREATE TABLE sessions (
  id bigint PRIMARY KEY,
  user_id bigint NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz NOT NULL
);

CREATE TABLE uploads (
  id bigint PRIMARY KEY,
  user_id bigint NOT NULL,
  size bigint NOT NULL CHECK (size > 0),
  expires_at timestamptz NOT NULL,
  media_id bigint, -- of the photo that it became
  key uuid NOT NULL DEFAULT gen_random_uuid(),
  content_type varchar(100) NOT NULL
);

CREATE TABLE media (
  id bigint PRIMARY KEY,
  user_id bigint NOT NULL,
  like_count bigint NOT NULL DEFAULT 0 CHECK (like_count >= 0),
  created_at timestamptz NOT NULL DEFAULT now(),
  width integer NOT NULL DEFAULT 0,
  height integer NOT NULL DEFAULT 0,
  key uuid NOT NULL,
  state varchar(10) NOT NULL DEFAULT 'processing' CHECK (state IN ('processing', 'ready', 'failed')),
  reason varchar(40) NOT NULL DEFAULT '',
  caption varchar(2200) NOT NULL
) WITH (fillfactor = 85);

-- Profiles page through it and lost feeds are rebuilt from it. Not partial by
-- state: the owner sees all states, and this way becoming ready touches no index.
CREATE INDEX media_of_user ON media (user_id, id DESC);

CREATE TABLE likes (
  media_id bigint,
  user_id bigint,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (media_id, user_id)
);

CREATE TABLE following (
  user_id bigint,
  target_id bigint,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (user_id, target_id),
  CHECK (user_id <> target_id)
);

-- What following says, from the other side.
CREATE TABLE followers (
  user_id bigint,
  follower_id bigint,
  PRIMARY KEY (user_id, follower_id)
);

CREATE TABLE devices (
  user_id bigint,
  token varchar(200),
  registered_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (user_id, token)
);
