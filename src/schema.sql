-- The live sessions of a host. PRAGMA user_version and application_id are set beside this text, in
-- store.rs. Clustered by user: one login reads and writes the pages of one user only. The order of
-- the columns is that of session_of_row there.
--
-- Every login reads this statement again, from the file: what explains it stands outside.
--
-- id: microseconds after boot; never used again
-- pid: the leader, or a reservation's anchor
-- start_time: clock ticks after boot
-- expires: milliseconds after boot; NULL once the session is open
-- wish: 0 none, 1 clear all, 2 evict the oldest
-- by_child: 1 where a child of the opener reserved
-- since: seconds after the epoch
CREATE TABLE session (uid INTEGER, id INTEGER, user TEXT NOT NULL, service TEXT NOT NULL, tty TEXT,
rhost TEXT, pid INTEGER NOT NULL, start_time INTEGER NOT NULL, pid_ns INTEGER NOT NULL,
boot_id TEXT NOT NULL, audit_session INTEGER, expires INTEGER, wish INTEGER NOT NULL,
by_child INTEGER NOT NULL, since INTEGER NOT NULL, PRIMARY KEY (uid, id)) STRICT, WITHOUT ROWID;
