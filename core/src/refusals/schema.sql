-- The logins that found no slot, oldest first. PRAGMA application_id and user_version are set beside this
-- text, in mod.rs.
CREATE TABLE refusal (
  id       INTEGER PRIMARY KEY, -- growing; begins again at 1 with a new file
  time     INTEGER NOT NULL,    -- seconds since the epoch
  uid      INTEGER NOT NULL,
  user     TEXT NOT NULL,
  service  TEXT NOT NULL,       -- PAM service
  tty      TEXT,
  rhost    TEXT,
  "limit"  INTEGER NOT NULL,    -- of the user's profile
  held     INTEGER NOT NULL,    -- the user's slots in use
  held_by  TEXT NOT NULL,       -- what held them, in words
  admitted INTEGER NOT NULL     -- 1: let in all the same, on_limit is log
) STRICT;
