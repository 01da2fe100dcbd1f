-- The live sessions of a host. PRAGMA user_version and application_id are set beside this text, in
-- store.rs. Clustered by user: one login reads and writes the pages of one user only.
--
-- Every login reads this statement again, from the file: what explains it stands outside.
--
-- id: microseconds after boot; never used again
-- expires: milliseconds after boot; NULL once the session is open
-- about: twelve fields with tabs between them: user, service, tty, rhost, and the leader (or a
--   reservation's anchor) by its pid, its start in clock ticks after boot, its pid namespace and its boot;
--   audit session, wish, who opens, seconds after the epoch
CREATE TABLE session (uid INTEGER, id INTEGER, expires INTEGER, about TEXT, PRIMARY KEY (uid, id))
STRICT, WITHOUT ROWID;
