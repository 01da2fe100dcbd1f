-- The live sessions of a host. PRAGMA user_version and application_id are set beside this text, in
-- store.rs. Clustered by user: one login reads and writes the pages of one user only.
CREATE TABLE session (
    uid           INTEGER NOT NULL,
    id            INTEGER NOT NULL,  -- microseconds after boot; never used again
    user          TEXT    NOT NULL,
    service       TEXT    NOT NULL,
    tty           TEXT,
    rhost         TEXT,
    pid           INTEGER NOT NULL,  -- the leader, or a reservation's anchor
    start_time    INTEGER NOT NULL,  -- clock ticks after boot
    pid_ns        INTEGER NOT NULL,
    boot_id       TEXT    NOT NULL,
    audit_session INTEGER,
    expires       INTEGER,           -- milliseconds after boot; NULL once the session is open
    wish          INTEGER NOT NULL,  -- 0 none, 1 clear all, 2 evict the oldest
    by_child      INTEGER NOT NULL,  -- 1 where a child of the opener reserved
    since         INTEGER NOT NULL,  -- seconds after the epoch
    PRIMARY KEY (uid, id)
) STRICT, WITHOUT ROWID;
