-- What a photo-sharing app needs besides photos: private accounts, blocks, comments,
-- activity, tags and places, saved and shared photos, exports.

ALTER TABLE users
  -- deactivated: by the user, until they log in again. suspended: by a moderator.
  -- deleting: what is theirs is being removed; there is no way back.
  ADD COLUMN state varchar(11) NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'deactivated', 'suspended', 'deleting')),
  ADD COLUMN private boolean NOT NULL DEFAULT false,
  ADD COLUMN avatar uuid, -- prefix of its renditions
  ADD COLUMN avatar_fault varchar(40) NOT NULL DEFAULT '', -- why the last one was not taken
  ADD COLUMN activity_seen bigint NOT NULL DEFAULT 0, -- the newest activity that the user has seen
  ADD COLUMN muted_pushes varchar(10)[] NOT NULL DEFAULT '{}', -- kinds of activity that no phone rings for
  ADD COLUMN sign_up uuid, -- of the sign-up's Idempotency-Key
  ADD COLUMN email varchar(254) NOT NULL DEFAULT '',
  ADD COLUMN website varchar(200) NOT NULL DEFAULT '';

ALTER TABLE sessions
  ADD COLUMN client varchar(200) NOT NULL DEFAULT '', -- User-Agent
  ADD COLUMN address inet; -- of the log-in

CREATE INDEX sessions_of_user ON sessions (user_id);

-- Claimed before a write has its effect; answered with what the first attempt was
-- answered. Kept for a day.
CREATE TABLE requests (
  user_id bigint, -- 0: of a sign-up
  key varchar(200),
  claimed_at timestamptz NOT NULL DEFAULT now(),
  status smallint, -- NULL: under way, or cut off; 0: not answered for good, to be tried again
  attempts smallint NOT NULL DEFAULT 1,
  fingerprint bytea NOT NULL, -- of what was asked for
  answer bytea, -- sealed
  PRIMARY KEY (user_id, key)
);
CREATE INDEX requests_by_age ON requests (claimed_at);

ALTER TABLE media
  ADD COLUMN comment_count bigint NOT NULL DEFAULT 0,
  ADD COLUMN latitude double precision,
  ADD COLUMN longitude double precision,
  ADD COLUMN edited_at timestamptz,
  ADD COLUMN hidden boolean NOT NULL DEFAULT false, -- taken down by a moderator
  ADD COLUMN alt varchar(1000) NOT NULL DEFAULT '',
  ADD COLUMN filter varchar(30) NOT NULL DEFAULT '',
  ADD COLUMN place varchar(100) NOT NULL DEFAULT '',
  ADD COLUMN blur varchar(40) NOT NULL DEFAULT '', -- BlurHash
  ADD COLUMN tags varchar(100)[] NOT NULL DEFAULT '{}', -- of the caption, as tags are compared
  ADD COLUMN mentions varchar(30)[] NOT NULL DEFAULT '{}'; -- names in the caption, as names are compared

-- deleted: seen by nobody from now on, and kept until what hangs on it is erased.
ALTER TABLE media
  DROP CONSTRAINT media_state_check,
  ADD CONSTRAINT media_state_check CHECK (state IN ('processing', 'ready', 'failed', 'deleted'));

-- A counter whose row is locked by another like is not waited for: the change goes
-- here, and whoever gets the lock next folds it in. So the count is the column's and
-- the sum of these.
ALTER TABLE media DROP CONSTRAINT media_like_count_check;
CREATE TABLE count_changes (
  media_id bigint,
  likes integer NOT NULL,
  comments integer NOT NULL
);
CREATE INDEX count_changes_of_media ON count_changes (media_id);

-- Who likes a photo is listed newest first, and asked of one user for many photos: an
-- index for each, and none besides.
ALTER TABLE likes DROP CONSTRAINT likes_pkey, ADD PRIMARY KEY (user_id, media_id);
CREATE INDEX likes_of_media ON likes (media_id, created_at, user_id);

CREATE TABLE comments (
  media_id bigint,
  id bigint, -- of the shard of the photo
  user_id bigint NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  request uuid NOT NULL DEFAULT gen_random_uuid(), -- of the Idempotency-Key: one comment each
  text varchar(2200) NOT NULL,
  mentions varchar(30)[] NOT NULL DEFAULT '{}',
  PRIMARY KEY (media_id, id)
);
CREATE UNIQUE INDEX comments_of_user ON comments (user_id, request);

-- What happened to a user, one row each, on the user's shard. Lists group them. Rows
-- of what was taken back since are passed over when they are read.
CREATE TABLE activity (
  user_id bigint,
  id bigint, -- of the shard of the user
  kind varchar(10) NOT NULL CHECK (kind IN ('like', 'comment', 'follow', 'request', 'approval', 'mention')),
  actor_id bigint NOT NULL,
  media_id bigint,
  comment_id bigint,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (user_id, id)
);

-- Who comes and goes is told once a day: the row is moved.
CREATE UNIQUE INDEX activity_of_follows ON activity (user_id, kind, actor_id)
  WHERE kind IN ('follow', 'request', 'approval');

-- A push that is due, or the rest after one: what happens until then is told in one.
-- Whose task it is names the instant.
CREATE TABLE pushes (
  user_id bigint,
  kind varchar(10),
  media_id bigint, -- 0: of no photo
  due_at timestamptz NOT NULL,
  PRIMARY KEY (user_id, kind, media_id)
);

-- Who registered a device last, on the shard of its token: a phone that changes hands
-- rings for one of them.
CREATE TABLE device_owners (
  token varchar(200) PRIMARY KEY,
  user_id bigint NOT NULL
);

-- The actor's side of a follow says what is so. Of a private account it is a request
-- until that approves.
ALTER TABLE following ADD COLUMN requested boolean NOT NULL DEFAULT false;

-- On the target's shard created_at is that of the row of following that it is of, which
-- tells two follows of the same two apart.
ALTER TABLE followers ADD COLUMN created_at timestamptz NOT NULL DEFAULT now();

CREATE TABLE follow_requests (
  user_id bigint, -- who is to approve
  follower_id bigint,
  created_at timestamptz NOT NULL,
  PRIMARY KEY (user_id, follower_id)
);

-- Blocks and mutes, and, as "blocked", blocks from the other side.
CREATE TABLE barriers (
  user_id bigint,
  kind varchar(7) CHECK (kind IN ('block', 'blocked', 'mute')),
  other_id bigint,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (user_id, kind, other_id)
);

CREATE TABLE saved (
  user_id bigint,
  id bigint, -- of the shard of the user: in the order of saving
  media_id bigint NOT NULL,
  PRIMARY KEY (user_id, id),
  UNIQUE (user_id, media_id)
);

-- Accounts at Facebook and Twitter/X, and what became of photos that were shared there.
CREATE TABLE links (
  user_id bigint,
  service varchar(8) CHECK (service IN ('facebook', 'twitter')),
  created_at timestamptz NOT NULL DEFAULT now(),
  account varchar(100) NOT NULL,
  token bytea NOT NULL, -- sealed
  PRIMARY KEY (user_id, service)
);

CREATE TABLE shares (
  media_id bigint,
  service varchar(8),
  changed_at timestamptz NOT NULL DEFAULT now(),
  -- posting: asked of the other service, whose answer is not written yet.
  state varchar(7) NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'posting', 'shared', 'failed')),
  reason varchar(40) NOT NULL DEFAULT '',
  url varchar(300) NOT NULL DEFAULT '', -- of the post there
  PRIMARY KEY (media_id, service)
);

-- Photos of a tag ("t:goldengate") or of a cell of the earth ("g:9q8zn", geohash),
-- on the shard of the list's name: those that anybody may see. Of tags it is known how
-- many they are.
CREATE TABLE listings (
  list varchar(102),
  media_id bigint,
  user_id bigint NOT NULL,
  latitude double precision,
  longitude double precision,
  PRIMARY KEY (list, media_id)
);
CREATE TABLE lists (
  list varchar(102) PRIMARY KEY,
  media_count bigint NOT NULL DEFAULT 0 CHECK (media_count >= 0)
);

-- What searches by prefix find, on the shard of the first two letters of the word.
CREATE TABLE directory (
  kind char(1) CHECK (kind IN ('u', 't')), -- users by their name and full name, tags
  word varchar(100) COLLATE "C",
  user_id bigint, -- 0: of a tag
  weight bigint NOT NULL DEFAULT 0, -- how often followers, or photos, have doubled in number
  PRIMARY KEY (kind, word, user_id)
);
-- Of a short prefix there are too many words to look at each: the weightiest come first.
CREATE INDEX directory_by_weight ON directory (kind, left(word, 2), weight DESC);

-- What of a user was put elsewhere to be found, so that it can be taken away again.
ALTER TABLE users
  ADD COLUMN words varchar(30)[] NOT NULL DEFAULT '{}', -- in the directory, or on the way to it
  ADD COLUMN listed boolean NOT NULL DEFAULT true; -- whether listings have, or are about to have, their photos

CREATE TABLE exports (
  user_id bigint,
  id bigint,
  created_at timestamptz NOT NULL DEFAULT now(),
  finished_at timestamptz,
  size bigint NOT NULL DEFAULT 0,
  state varchar(10) NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'running', 'ready', 'failed')),
  progress jsonb NOT NULL DEFAULT '{}',
  PRIMARY KEY (user_id, id)
);
-- One at a time is made.
CREATE UNIQUE INDEX exports_under_way ON exports (user_id) WHERE state IN ('waiting', 'running');

-- What of an export is in storage already, and the files in it: names, sizes and checksums.
CREATE TABLE export_parts (
  user_id bigint,
  export_id bigint,
  number integer,
  tag varchar(100) NOT NULL, -- by which storage knows it
  files jsonb NOT NULL,
  PRIMARY KEY (user_id, export_id, number)
);
