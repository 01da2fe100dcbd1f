-- How many sessions there were, sampled. PRAGMA application_id and user_version are set beside this text, in
-- database.rs. Times are seconds since the epoch.
CREATE TABLE sample (
  time           INTEGER PRIMARY KEY,
  sessions       INTEGER NOT NULL, -- open sessions of all users
  users          INTEGER NOT NULL, -- users who held one
  users_at_limit INTEGER NOT NULL
) STRICT;
CREATE TABLE service (
  id   INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE        -- PAM service
) STRICT;
CREATE TABLE service_sample (
  time     INTEGER NOT NULL,
  service  INTEGER NOT NULL REFERENCES service (id),
  sessions INTEGER NOT NULL,
  PRIMARY KEY (time, service)
) STRICT, WITHOUT ROWID;
CREATE TABLE user_sample (
  uid      INTEGER NOT NULL,
  time     INTEGER NOT NULL,
  sessions INTEGER NOT NULL,       -- a row only where the number is not that of the sample before
  PRIMARY KEY (uid, time)
) STRICT, WITHOUT ROWID;
CREATE TABLE refusal (
  minute   INTEGER NOT NULL,       -- its first second
  uid      INTEGER NOT NULL,
  held     INTEGER NOT NULL,       -- the user's slots in use
  admitted INTEGER NOT NULL,       -- 1: let in all the same, on_limit is log
  logins   INTEGER NOT NULL,
  PRIMARY KEY (minute, uid, held, admitted)
) STRICT, WITHOUT ROWID;
