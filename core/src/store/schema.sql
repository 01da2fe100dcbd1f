-- The live sessions of a host. PRAGMA application_id and user_version are set beside this text, in
-- transaction.rs; how an earlier version is taken over is in migration.rs. SQLite keeps the comments
-- inside the statement: `.schema` of sqlite3(1) shows them.
CREATE TABLE session (
  id                INTEGER NOT NULL,    -- as `shell show session` prints it, never used again in this boot
  uid               INTEGER NOT NULL,
  user              TEXT NOT NULL,
  service           TEXT NOT NULL,       -- PAM service
  tty               TEXT,
  rhost             TEXT,
  state             TEXT NOT NULL,       -- reserved or open
  since             INTEGER NOT NULL,    -- seconds since the epoch
  reserved_until    INTEGER,             -- milliseconds of CLOCK_BOOTTIME
  reserved_by_child INTEGER NOT NULL,    -- 1: by a child of the process that opens
  on_open           TEXT,                -- what opening ends: clear-all, evict-oldest or clear-session
  on_open_session   INTEGER,             -- the session that clear-session ends
  over_limit        INTEGER NOT NULL,    -- 1: let in above the limit, on_limit is log
  leader_pid        INTEGER NOT NULL,
  leader_start_time INTEGER NOT NULL,    -- clock ticks after boot, field 22 of /proc/PID/stat
  leader_pid_ns     INTEGER NOT NULL,    -- inode of /proc/PID/ns/pid
  leader_boot_id    TEXT NOT NULL,       -- /proc/sys/kernel/random/boot_id
  process_session   INTEGER NOT NULL,    -- field 6 of /proc/PID/stat
  audit_session     INTEGER,             -- /proc/PID/sessionid
  PRIMARY KEY (uid, id)                  -- a login reads and writes the rows of its user, which lie together
) STRICT, WITHOUT ROWID;
