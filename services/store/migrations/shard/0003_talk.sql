-- Likes and comments are functions because of all writes there are most of them:
-- PostgreSQL plans the statements of a function once for each connection, and one that
-- comes through the pooler each time, which costs more than doing what it says. The price
-- is memory: some 400 kB for each shard that a connection has served.

-- Whether viewer may see the photos of author, whose shard this is: what the package
-- audience says, without another round trip.
CREATE FUNCTION sees(viewer bigint, author bigint) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  RETURN viewer = author OR EXISTS (
    SELECT FROM {{schema}}.users u
    WHERE u.id = author AND u.state = 'active' AND NOT EXISTS (
      SELECT FROM {{schema}}.barriers b
      WHERE b.user_id = author AND b.kind IN ('block', 'blocked') AND b.other_id = viewer
    ) AND (NOT u.private OR EXISTS (
      SELECT FROM {{schema}}.followers f WHERE f.user_id = author AND f.follower_id = viewer
    )));
END $$;

-- Changes the counters of a photo. Who finds its row locked does not wait, but leaves the
-- change in count_changes; who gets the lock folds those in.
CREATE FUNCTION change_counts(photo bigint, of_likes integer, of_comments integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  all_likes bigint;
  all_comments bigint;
BEGIN
  PERFORM FROM {{schema}}.media WHERE id = photo FOR NO KEY UPDATE SKIP LOCKED;
  IF NOT FOUND THEN
    INSERT INTO {{schema}}.count_changes (media_id, likes, comments) VALUES (photo, of_likes, of_comments);
    RETURN;
  END IF;
  WITH folded AS (
    DELETE FROM {{schema}}.count_changes WHERE media_id = photo RETURNING likes, comments
  )
  SELECT of_likes + coalesce(sum(likes), 0), of_comments + coalesce(sum(comments), 0)
  INTO all_likes, all_comments FROM folded;
  UPDATE {{schema}}.media SET like_count = like_count + all_likes, comment_count = comment_count + all_comments
  WHERE id = photo;
END $$;

-- Adds to what happened to recipient, whose shard this is, and, unless a push is due or
-- nobody's phone would ring, orders the task that tells it some seconds later, together
-- with what happens until then. photo is NULL for what is about no photo.
CREATE FUNCTION tell(recipient bigint, what varchar, actor bigint, photo bigint, remark bigint, task jsonb) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  at timestamptz;
BEGIN
  IF recipient = actor THEN
    RETURN;
  END IF;
  INSERT INTO {{schema}}.activity (user_id, id, kind, actor_id, media_id, comment_id)
  VALUES (recipient, {{schema}}.next_id(), what, actor, photo, remark);
  INSERT INTO {{schema}}.pushes (user_id, kind, media_id, due_at)
  SELECT recipient, what, coalesce(photo, 0), now() + interval '5 seconds' FROM {{schema}}.users u
  WHERE u.id = recipient AND what <> ALL (u.muted_pushes)
    AND EXISTS (SELECT FROM {{schema}}.devices d WHERE d.user_id = recipient)
  ON CONFLICT DO NOTHING RETURNING due_at INTO at;
  IF FOUND THEN
    PERFORM burbn.enqueue_at(at, task, jsonb_build_object(
      'user', recipient::text, 'about', what, 'media', coalesce(photo, 0)::text, 'due', at));
  END IF;
END $$;

-- Whether the like is new; NULL: there is no such photo for liker.
CREATE FUNCTION like_photo(photo bigint, liker bigint, task jsonb) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  author bigint;
BEGIN
  SELECT user_id INTO author FROM {{schema}}.media WHERE id = photo AND state = 'ready' AND NOT hidden;
  IF NOT FOUND OR NOT {{schema}}.sees(liker, author) THEN
    RETURN NULL;
  END IF;
  INSERT INTO {{schema}}.likes (media_id, user_id) VALUES (photo, liker) ON CONFLICT DO NOTHING;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  PERFORM {{schema}}.change_counts(photo, 1, 0);
  PERFORM {{schema}}.tell(author, 'like', liker, photo, NULL, task);
  RETURN true;
END $$;

-- Whether there was a like; NULL: there is no such photo for liker.
CREATE FUNCTION unlike_photo(photo bigint, liker bigint) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  author bigint;
BEGIN
  SELECT user_id INTO author FROM {{schema}}.media WHERE id = photo AND state = 'ready' AND NOT hidden;
  IF NOT FOUND OR NOT {{schema}}.sees(liker, author) THEN
    RETURN NULL;
  END IF;
  DELETE FROM {{schema}}.likes WHERE media_id = photo AND user_id = liker;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  PERFORM {{schema}}.change_counts(photo, -1, 0);
  RETURN true;
END $$;

-- The comment of that key, made now or before; no row: there is no such photo for commenter.
CREATE FUNCTION comment_photo(photo bigint, commenter bigint, key uuid, words varchar, named varchar[], push jsonb, mention jsonb)
RETURNS SETOF {{schema}}.comments LANGUAGE plpgsql AS $$
DECLARE
  author bigint;
  made {{schema}}.comments;
BEGIN
  SELECT user_id INTO author FROM {{schema}}.media WHERE id = photo AND state = 'ready' AND NOT hidden;
  IF NOT FOUND OR NOT {{schema}}.sees(commenter, author) THEN
    RETURN;
  END IF;
  INSERT INTO {{schema}}.comments (media_id, id, user_id, request, text, mentions)
  VALUES (photo, {{schema}}.next_id(), commenter, key, words, named)
  ON CONFLICT (user_id, request) DO NOTHING RETURNING * INTO made;
  IF NOT FOUND THEN
    RETURN QUERY SELECT * FROM {{schema}}.comments WHERE user_id = commenter AND request = key AND media_id = photo;
    RETURN;
  END IF;
  PERFORM {{schema}}.change_counts(photo, 0, 1);
  PERFORM {{schema}}.tell(author, 'comment', commenter, photo, made.id, push);
  IF named <> '{}' THEN
    PERFORM burbn.enqueue(mention, jsonb_build_object('comment', made.id::text));
  END IF;
  RETURN NEXT made;
END $$;

-- Makes owner the one for whom a device rings, on the shard of its token, and orders the
-- task that takes it from whoever was that before.
CREATE FUNCTION claim_device(device varchar, owner bigint, task jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  before bigint;
BEGIN
  LOOP
    INSERT INTO {{schema}}.device_owners (token, user_id) VALUES (device, owner) ON CONFLICT DO NOTHING;
    IF FOUND THEN
      RETURN;
    END IF;
    SELECT user_id INTO before FROM {{schema}}.device_owners WHERE token = device FOR UPDATE;
    IF before <> owner THEN
      UPDATE {{schema}}.device_owners SET user_id = owner WHERE token = device;
      PERFORM burbn.enqueue(task, jsonb_build_object('user', before::text, 'since', clock_timestamp()));
    END IF;
    EXIT WHEN before IS NOT NULL; -- else it was forgotten meanwhile
  END LOOP;
END $$;
